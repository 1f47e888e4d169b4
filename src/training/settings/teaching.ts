/** How a network is taught its own original outputs, as rows of the table of settings. */
import { z } from "zod";
import { parseNumber } from "../../core/text-values.ts";
import { type OutputKind, outputKinds } from "../../graph/taught-outputs.ts";
import { byName, choice, number } from "./codecs.ts";
import { setting } from "./setting.ts";

const TEMPERATURE = 2;

export const teachingSettings = {
  teach: setting({
    schema: z.enum(["outputs"]).exactOptional(),
    help: "outputs: learn to give the network's own original outputs, without labels",
    group: "weights",
    default: "none: learn from labels",
    inBaseline: "omit",
    flags: [{ flag: "--teach <what>", codec: choice("target", ["outputs"]), label: "teach" }],
  }),
  teachTemperature: setting({
    schema: z.number().positive().exactOptional(),
    help: "with --teach: temperature that softens the logits of both networks",
    group: "weights",
    default: String(TEMPERATURE),
    inBaseline: "omit",
    flags: [{ flag: "--teach-temperature <T>", codec: number, label: "temperature of taught logits" }],
  }),
  outputWeights: setting({
    schema: z.record(z.string(), z.number().nonnegative()).exactOptional(),
    help: "with --teach: weights of the outputs in the loss, as boxes=1,scores=0.5",
    group: "weights",
    default: "1",
    inBaseline: "omit",
    flags: [
      { flag: "--output-weights <weights>", codec: byName("an output", parseNumber), label: "weights of outputs" },
    ],
  }),
  outputKinds: setting({
    schema: z.record(z.string(), z.enum(outputKinds)).exactOptional(),
    help: `with --teach: what outputs are, ${outputKinds.join(" or ")}, as y=logits,z=values`,
    group: "weights",
    default: "found from the network",
    inBaseline: "omit",
    flags: [{ flag: "--output-kinds <kinds>", codec: byName("an output", (text) => text), label: "kinds of outputs" }],
  }),
};

/** How a network is taught its own outputs, with every default filled in. */
export interface TeachSettings {
  /** T, which divides the logits of both networks in the loss. */
  readonly temperature: number;
  /** The weight of an output's loss by its name; default 1. */
  readonly weights: Readonly<Record<string, number>>;
  /** What an output is, by its name; default: found from the network. */
  readonly kinds: Readonly<Record<string, OutputKind>>;
}

/** The settings of teaching, from those of a run. */
export function teachSettingsOf(settings: {
  readonly teachTemperature?: number;
  readonly outputWeights?: Readonly<Record<string, number>>;
  readonly outputKinds?: Readonly<Record<string, OutputKind>>;
}): TeachSettings {
  const { teachTemperature = TEMPERATURE, outputWeights = {}, outputKinds: kinds = {} } = settings;
  return { temperature: teachTemperature, weights: outputWeights, kinds };
}
