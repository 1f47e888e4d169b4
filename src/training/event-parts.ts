/** Parts that several events have in common, as schemas with a description each. */
import { z } from "zod";

export const count = z.int().nonnegative();

/** What every event carries. */
export const stamp = {
  time: z.iso.datetime().describe("when it happened, in UTC"),
  step: count.describe("optimizer steps since the start of the run, also of one that was resumed"),
  epoch: count.describe("the epoch it is about, counted from 1; 0 before the first"),
};

export const structureKind = z
  .enum(["neuron", "group", "block", "stream"])
  .describe("group: of a grouped convolution; block: a residual branch; stream: a channel that several layers share");

export const networkCost = z.object({
  macs: count.describe("multiply-accumulates for one image"),
  parameters: count.describe("parameters"),
});

export const layerStructures = z.object({
  layer: z.string().describe("name of the layer"),
  kind: structureKind,
  alive: count.describe("structures whose scaling factor is not zero"),
  count: count.describe("all structures"),
});

/** One structure of one layer. */
export const structure = {
  layer: z.string().describe("name of the layer"),
  kind: structureKind,
  index: count.describe("number of the structure in its layer when the run began"),
};

/** The factors of one layer as placed. */
export const placedFactor = z.object({
  parameter: z.string().describe("name of the parameter λ"),
  layer: z.string().describe("name of the layer"),
  kind: structureKind,
  count: count.describe("how many λ there are"),
  gamma: z.number().describe("sparsity strength γ of the kind"),
});

/** The values of one factor parameter, in short. */
export const factorSummary = z.object({
  layer: z.string().describe("name of the layer"),
  kind: structureKind,
  minimum: z.number().describe("smallest λ"),
  mean: z.number().describe("mean λ"),
  maximum: z.number().describe("largest λ"),
});

/** Every scaling factor in one byte: small enough to be told each epoch of a network with many thousands. */
export const factorLevels = z.object({
  maximum: z.number().describe("the largest λ, which byte 255 stands for"),
  values: z
    .base64()
    .describe("a byte a structure in the order of run.started's factors: λ / maximum · 255, and 0 only for λ = 0"),
});

/** What presses on the structures of one layer: ∂loss/∂λ + γ. Those that were pruned already are left out. */
export const factorMargins = z.object({
  zero: z
    .number()
    .nullable()
    .describe("of those at zero, the lowest since each was held there; below zero, one is about to come back"),
  living: z
    .tuple([z.number(), z.number()])
    .readonly()
    .nullable()
    .describe("of the living, the lowest and the highest at the last step; above zero, it makes them smaller"),
});

/** Which run a from-scratch baseline belongs to: it trains the pruned architecture of that run from new weights. */
export const controlOf = z.object({
  run: z.string().describe("name of that run"),
  folder: z.string().describe("its folder, relative to this one, so that both can be moved together"),
  same: z.enum(["epochs", "macs"]).describe("what both have in common"),
  trainingMacs: z
    .object({ run: count.describe("of that run"), control: count.describe("of this one") })
    .describe("MACs of the forward passes over all training images; backward passes take twice as many again"),
});

/** What pruning would take out of the network as it is trained now, and what that is worth. */
export const shrinkable = {
  before: networkCost.describe("of the network as it is trained now"),
  after: networkCost.describe("of what is left of it"),
  stepsSaved: z.number().describe("steps of the network before that pruning saves in the rest of the run, by its MACs"),
  stepsNeeded: z.number().describe("steps that it has to save to be worth while"),
};

/** Time of one batch in ONNX Runtime. Half of the runs lie between the quartiles. */
export const latencyFigures = z.object({
  median: z.number().describe("milliseconds"),
  lowerQuartile: z.number().describe("milliseconds"),
  upperQuartile: z.number().describe("milliseconds"),
  runs: count.describe("how often it was timed"),
});

/** One column of the table at the end. */
export const networkSummary = z.object({
  accuracy: z.number().describe("percent, on the whole test split"),
  macs: count.describe("multiply-accumulates for one image"),
  parameters: count.describe("parameters"),
  bytes: count.describe("size of the ONNX file"),
  latencyMilliseconds: z
    .number()
    .nullable()
    .describe("median time of one image in ONNX Runtime; null if it was not measured"),
});
