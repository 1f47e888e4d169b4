/** The rows of the table of settings about 8-bit integers, and the checks that they fit the other settings. */
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { unknownName } from "../../core/names.ts";
import { names, number, switchTo } from "./codecs.ts";
import { setting } from "./setting.ts";

export const integerSettings = {
  int8: setting({
    schema: z.boolean().exactOptional(),
    help:
      "simulate 8-bit integers in the last part of the run, and also write the compact network in 8-bit integers, " +
      "as compact-int8.onnx",
    group: "training",
    default: "false",
    inBaseline: "omit",
    flags: [{ flag: "--int8", codec: switchTo(true), label: "simulate 8-bit integers" }],
  }),
  int8Epochs: setting({
    schema: z.number().positive().exactOptional(),
    help:
      "number of last epochs that simulate 8-bit integers, such as 0.5; a budget that is not met yet delays them by " +
      "up to half of it",
    group: "training",
    unit: "epochs",
    default: "a tenth of the run",
    inBaseline: "omit",
    flags: [{ flag: "--int8-epochs <n>", codec: number, label: "epochs on 8-bit integers" }],
  }),
  int8Keep: setting({
    schema: z.array(z.string().min(1)).min(1).exactOptional(),
    help: "layers that keep 32-bit floats, in training and in compact-int8.onnx",
    group: "training",
    default: "none",
    inBaseline: "omit",
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

/**
 * @throws UserError "unknown-name" unless all layers that are to stay on floats are among `layers`, "bad-option" if no
 * other is left.
 */
export function requireKnownLayers({ int8Keep = [] }: IntegerSettings, layers: readonly string[]): void {
  for (const name of int8Keep) if (!layers.includes(name)) throw unknownName("layer", name, layers);
  if (layers.length === 0 || !layers.every((name) => int8Keep.includes(name))) return;
  throw new UserError("bad-option", "all layers would stay on floats", {
    about: 'option "int8Keep"',
    hint: "Leave a layer out, or leave --int8 out",
  });
}

/** The part of a run that simulates integers, unless the settings say how many epochs do. */
const USUAL_SHARE = 0.1;
/** New weights are trained without integers in this part of the run at least, which gives batch norms statistics. */
const LEAST_BEFORE = 0.1;
/** A budget that is not met delays integers by at most this part of their steps. */
const LONGEST_WAIT = 0.5;

/** Number of last epochs that simulate integers, if the budget is met by then. */
export function int8EpochsOf({ epochs, int8, int8Epochs }: IntegerSettings): number {
  return int8 === true ? (int8Epochs ?? USUAL_SHARE * epochs) : 0;
}

/** The steps after which integers may begin, and after which they begin although the budget is not met. */
export function int8Start(
  settings: IntegerSettings,
  { stepsPerEpoch, totalSteps }: { readonly stepsPerEpoch: number; readonly totalSteps: number },
): { readonly earliest: number; readonly latest: number } {
  const steps = Math.max(1, Math.round(int8EpochsOf(settings) * stepsPerEpoch));
  const earliest = totalSteps - steps;
  return { earliest, latest: earliest + Math.floor(LONGEST_WAIT * steps) };
}

interface Combined extends IntegerSettings {
  readonly budgetBy?: number;
  readonly teach?: unknown;
}

/**
 * `isTrained`: whether the network brings trained weights.
 * @throws UserError "bad-option" if the settings of integers contradict each other or other settings.
 */
export function requireInt8(settings: Combined, isTrained: boolean): void {
  const { epochs, int8 = false, int8Epochs, int8Keep, budgetBy, teach } = settings;
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
  if (last > (1 - LEAST_BEFORE) * epochs && !isTrained) {
    refuse(
      "int8Epochs",
      "8-bit integers are simulated with constant batch statistics, which new weights do not have yet",
      `Give at most ${(1 - LEAST_BEFORE) * epochs} epochs to integers, or start from trained weights`,
    );
  }
  if (budgetBy !== undefined && budgetBy > epochs - last) {
    refuse(
      "budgetBy",
      `the budget is met by epoch ${budgetBy}, and 8-bit integers begin after epoch ${epochs - last}`,
      "Ask for the budget earlier, or for fewer --int8-epochs",
    );
  }
  if (teach !== undefined) {
    refuse("int8", "8-bit integers are trained with labels only", "Teach the outputs, then use espalier quantize");
  }
}
