/** Schemas that several events share, each with a description. */
import { z } from "zod";
import { viewSets } from "../../evaluation/test-time-augmentation.ts";
import { outputKinds } from "../../graph/taught-outputs.ts";

export const count = z.int().nonnegative();

/** The fields that every event has. */
export const stamp = {
  time: z.iso.datetime().describe("time of the event, in UTC"),
  step: count.describe("optimizer steps since the start of the run, over all its sessions"),
  epoch: count.describe("epoch of the event, counted from 1; 0 before the first"),
};

export const structureKind = z
  .enum(["neuron", "group", "block", "stream"])
  .describe("group: of a grouped convolution; block: a residual branch; stream: a channel that several layers share");

export const networkCost = z.object({
  macs: count.describe("multiply-accumulates for one image"),
  parameters: count.describe("parameters"),
  latency: z
    .number()
    .exactOptional()
    .describe("predicted milliseconds of a run; absent if the run has no latency table"),
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

/** The factors of one layer. */
export const placedFactor = z.object({
  parameter: z.string().describe("name of the parameter λ"),
  layer: z.string().describe("name of the layer"),
  kind: structureKind,
  count: count.describe("how many λ there are"),
  gamma: z.number().describe("sparsity strength γ of the kind"),
});

/** A summary of the values of one factor parameter. */
export const factorSummary = z.object({
  layer: z.string().describe("name of the layer"),
  kind: structureKind,
  minimum: z.number().describe("smallest λ"),
  mean: z.number().describe("mean λ"),
  maximum: z.number().describe("largest λ"),
});

/** Every scaling factor as one byte: small enough for an event each epoch, with many thousands of factors. */
export const factorLevels = z.object({
  maximum: z.number().describe("largest λ: the value of byte 255"),
  values: z
    .base64()
    .describe(
      "one byte for each structure, in the order of run.started's factors: λ / maximum · 255; 0 only for λ = 0",
    ),
});

/** ∂loss/∂λ + γ of the structures of one layer, without those that were pruned already. */
export const factorMargins = z.object({
  zero: z
    .number()
    .nullable()
    .describe(
      "of the structures at zero: the lowest value since each became zero; below zero, one is about to come back",
    ),
  living: z
    .tuple([z.number(), z.number()])
    .readonly()
    .nullable()
    .describe("of the other structures: lowest and highest value at the last step; above zero, λ decreases"),
});

/**
 * The run that a from-scratch baseline belongs to: the baseline trains that run's pruned architecture from new weights,
 * or the uniformly thinner network of as many MACs.
 */
export const controlOf = z.object({
  run: z.string().describe("name of that run"),
  folder: z.string().describe("folder of that run, relative to this one, so that both can be moved together"),
  same: z.enum(["epochs", "macs"]).describe("what both runs have in common: epochs or training MACs"),
  widths: z
    .literal("uniform")
    .exactOptional()
    .describe("uniform: all widths of the full network times one number; absent: the pruned architecture"),
  trainingMacs: z
    .object({ run: count.describe("of that run"), control: count.describe("of this one") })
    .describe(
      "MACs of the forward passes over all training images; backward passes take twice as many; " +
        "passes of a teacher, which have none, count a third",
    ),
});

/** The cost before and after pruning now, and whether pruning pays. */
export const shrinkable = {
  before: networkCost.describe("of the network in training"),
  after: networkCost.describe("of the network after pruning"),
  stepsSaved: z.number().describe("MACs that pruning saves in the rest of the run, in steps of the network before"),
  stepsNeeded: z.number().describe("steps that pruning has to save to pay"),
};

/** Time of one batch in ONNX Runtime. Half of the runs lie between the quartiles. */
export const latencyFigures = z.object({
  median: z.number().describe("milliseconds"),
  lowerQuartile: z.number().describe("milliseconds"),
  upperQuartile: z.number().describe("milliseconds"),
  runs: count.describe("number of timed runs"),
});

export const balanced = z
  .number()
  .describe("mean recall of the classes that have test images, in percent; runs of earlier versions do not have it");

/** How well an output agrees with the original network's, on test images. */
export const outputAgreement = z.object({
  name: z.string().describe("name of the output"),
  kind: z.enum(outputKinds).describe("logits of classes, values of one meaning, or channels of a meaning each"),
  explained: z
    .number()
    .nullable()
    .describe("explained part of the original's variance: 1 − Σ(y − t)² / Σ(t − mean)²; null if it is constant"),
  cosine: z.number().describe("mean cosine of both outputs of an image"),
  psnr: z.number().nullable().describe("dB, against the range of the original's output; null if both are equal"),
  sameAnswers: z.number().exactOptional().describe("of logits: positions with the same largest class, in percent"),
});

/** Of images that may have several labels: scores of the sets of labels. */
export const labelScores = z.object({
  exactMatch: z.number().describe("images whose answers are all of their labels and no others, in percent"),
  f1: z.number().describe("mean F1 of the labels that have test images, in percent"),
});

/** One label of images that may have several, in percent. */
export const labelFigures = z.object({
  averagePrecision: z.number().nullable().describe("null for a label without test images"),
  precision: z.number().nullable().describe("right ones among the answers with this label; null without answers"),
  f1: z.number().describe("harmonic mean of precision and recall"),
});

/** One network in the table at the end of a run. */
export const networkSummary = z.object({
  accuracy: z.number().describe("percent, on the whole test split"),
  balancedAccuracy: balanced.exactOptional(),
  augmented: z
    .object({
      views: z.enum(viewSets).describe("the views of each image whose answers are averaged"),
      accuracy: z.number().describe("percent, on the whole test split"),
    })
    .exactOptional()
    .describe("with test-time augmentation, if the settings ask for it"),
  outputs: z
    .array(outputAgreement)
    .exactOptional()
    .describe("if outputs are taught: how each agrees; accuracy is then their mean"),
  labels: labelScores
    .exactOptional()
    .describe("if images may have several labels; accuracy is then the mean average precision"),
  macs: count.describe("multiply-accumulates for one image"),
  parameters: count.describe("parameters"),
  bytes: count.describe("size of the ONNX file"),
  latencyMilliseconds: z
    .number()
    .nullable()
    .describe("median time of one image in ONNX Runtime; null if it was not measured"),
});

/** Nodes that integers do not reach. */
export const floatNodes = z
  .array(z.object({ name: z.string().describe("its name"), op: z.string().describe("what it computes") }))
  .describe("nodes that stay on floats: without an integer form, or kept");
