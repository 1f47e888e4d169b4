/** The rows of the table of settings about 8-bit integers, and what they may be combined with. */
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { unknownName } from "../../core/names.ts";
import { names, switchTo, wholeNumber } from "./codecs.ts";
import { setting } from "./setting.ts";

export const integerSettings = {
  int8: setting({
    schema: z.boolean().exactOptional(),
    help:
      "simulate 8-bit integers in the last epochs, once the budget is met, and write the compact network on them " +
      "too, as compact-int8.onnx",
    group: "training",
    default: "false",
    control: "omit",
    flags: [{ flag: "--int8", codec: switchTo(true), label: "simulate 8-bit integers" }],
  }),
  int8Epochs: setting({
    schema: z.int().positive().exactOptional(),
    help: "number of last epochs that simulate 8-bit integers",
    group: "training",
    unit: "epochs",
    default: "a tenth of the run, at least 1",
    control: "omit",
    flags: [{ flag: "--int8-epochs <n>", codec: wholeNumber(), label: "epochs on 8-bit integers" }],
  }),
  int8Keep: setting({
    schema: z.array(z.string().min(1)).min(1).exactOptional(),
    help: "layers that stay on floats while 8-bit integers are simulated, and in the file",
    group: "training",
    default: "none",
    control: "omit",
    flags: [{ flag: "--int8-keep <layers>", codec: names, label: "layers on floats" }],
  }),
};

interface IntegerSettings {
  readonly epochs: number;
  readonly int8?: boolean;
  readonly int8Epochs?: number;
  readonly int8Keep?: readonly string[];
}

/** The layers that stay on floats, as `simulateIntegers` takes them. */
export function keptFloats({ int8Keep = [] }: Pick<IntegerSettings, "int8Keep">): {
  readonly keep: ReadonlySet<string>;
} {
  return { keep: new Set(int8Keep) };
}

/** @throws UserError "unknown-name" unless all layers that are to stay on floats are among `layers`. */
export function requireKnownLayers({ int8Keep = [] }: IntegerSettings, layers: readonly string[]): void {
  for (const name of int8Keep) if (!layers.includes(name)) throw unknownName("layer", name, layers);
}

/** Number of last epochs that simulate integers. */
export function int8EpochsOf({ epochs, int8, int8Epochs }: IntegerSettings): number {
  return int8 === true ? (int8Epochs ?? Math.max(1, Math.round(epochs / 10))) : 0;
}

interface Combined extends IntegerSettings {
  readonly precision: string;
  readonly budgetBy?: number;
  readonly teach?: unknown;
}

/**
 * `isTrained`: whether the network brings trained weights.
 * @throws UserError "bad-option" if the settings of integers contradict each other or other settings.
 */
export function requireInt8(settings: Combined, isTrained: boolean): void {
  const { epochs, int8 = false, int8Epochs, int8Keep, precision, budgetBy, teach } = settings;
  const refuse = (about: string, message: string, hint: string): never => {
    throw new UserError("bad-option", message, { about: `option "${about}"`, hint });
  };
  if (!int8) {
    const hint = "Add --int8, or leave it out";
    if (int8Epochs !== undefined) {
      refuse("int8Epochs", "there are epochs on 8-bit integers, but no 8-bit integers", hint);
    }
    if (int8Keep !== undefined) refuse("int8Keep", "all layers stay on floats without 8-bit integers", hint);
    return;
  }
  const last = int8EpochsOf(settings);
  if (last > epochs) {
    refuse("int8Epochs", `${last} epochs on 8-bit integers are more than the ${epochs} of the run`, "Ask for fewer");
  }
  if (last === epochs && !isTrained) {
    refuse(
      "int8Epochs",
      "8-bit integers are simulated with constant batch statistics, which new weights do not have yet",
      `Train for more than ${epochs} epochs, or start from trained weights`,
    );
  }
  if (budgetBy !== undefined && budgetBy > epochs - last) {
    refuse(
      "budgetBy",
      `the budget is met by epoch ${budgetBy}, and 8-bit integers begin after epoch ${epochs - last}`,
      "Ask for the budget earlier, or for fewer --int8-epochs",
    );
  }
  if (precision !== "f32") {
    refuse("precision", `8-bit integers are not simulated in ${precision}, which rounds more coarsely`, "Use f32");
  }
  if (teach !== undefined) {
    refuse("int8", "8-bit integers are trained with labels only", "Teach the outputs, then use espalier quantize");
  }
}
