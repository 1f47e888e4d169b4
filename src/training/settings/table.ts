/**
 * The table of settings, one row for each setting, in the order of `run.json`. To add a setting, add a row here, or in
 * the file of its subject, which is taken in below, and use it. `npm run docs` then updates docs/settings.md.
 */

import { z } from "zod";
import { type DecayedKind, decayedKinds, type TrainedKind, trainedKinds } from "../../autodiff/parameter-kinds.ts";
import { MOST_THREADS } from "../../core/threads.ts";
import { defaultEngine, engineNames } from "../../engine/create.ts";
import { precisions } from "../../engine/engine.ts";
import { scheduleKinds, scheduleSchema } from "../learning-rate/schedules.ts";
import { augmentationSettings, testTimeSettings } from "./augmentation.ts";
import { averagingSettings } from "./averaging.ts";
import { choice, distillation, mixing, number, numbersOf, switchTo, text, threadCount, wholeNumber } from "./codecs.ts";
import { integerSettings } from "./integers.ts";
import { optimizerSettings } from "./optimizer.ts";
import { pruningSettings } from "./pruning.ts";
import { setting } from "./setting.ts";
import { taskSettings } from "./tasks.ts";

/**
 * Default number of epochs on the command line: for new weights, for trained weights, and for trained weights that are
 * pruned. At half of its MACs the public ResNet-20 lost 1.3 points in 6 epochs and 0.9 in 15, so these take longer.
 */
export const defaultEpochs = { new: 40, trained: 15, pruned: 30 } as const;

/** Far more than any run has time for: a longer one is a slip of the hand. */
export const mostEpochs = 1_000_000;

export const precisionChoices = [...precisions, "auto"] as const;
export type PrecisionChoice = (typeof precisionChoices)[number];

const positive = z.int().positive();
const share = z.number().min(0).max(1);
/** A number for some of `kinds`. */
function multiples<K extends string>(
  kinds: readonly K[],
  value: z.ZodNumber,
): z.ZodType<{ readonly [Kind in K]?: number }, { readonly [Kind in K]?: number }> {
  return z.partialRecord(z.enum(kinds), value);
}

/** Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015. */
const distillSchema = z.strictObject({
  /** α, the weight of the teacher's answers in the loss. */
  weight: share.default(0.5),
  /** T, which divides the logits of both networks in that part of the loss. */
  temperature: z.number().positive().default(4),
});
export type DistillSettings = Readonly<z.output<typeof distillSchema>>;
export const distillDefaults: DistillSettings = distillSchema.parse({});

export const settingsTable = {
  epochs: setting({
    schema: positive.max(mostEpochs, `a run has at most ${mostEpochs} epochs`),
    help: "passes over the training images",
    group: "task",
    unit: "epochs",
    isRequired: true,
    inBaseline: "own",
    flags: [
      {
        flag: "--epochs <n>",
        codec: wholeNumber(),
        default:
          `${defaultEpochs.new}; from trained weights ${defaultEpochs.trained}, ` +
          `or ${defaultEpochs.pruned} if they are pruned`,
        label: "epochs",
        initial: "10",
      },
    ],
  }),
  ...pruningSettings,
  batch: setting({
    schema: positive.default(128),
    help: "images in a step; the last, incomplete batch of an epoch is left out",
    group: "training",
    unit: "images",
    inBaseline: "inherit",
    flags: [{ flag: "--batch <images>", codec: wholeNumber(), label: "batch" }],
  }),
  accumulate: setting({
    schema: positive.exactOptional(),
    help: "compute a batch in this many parts and add up their gradients, if it does not fit into memory",
    group: "training",
    unit: "parts",
    default: "1",
    inBaseline: "inherit",
    flags: [{ flag: "--accumulate <n>", codec: wholeNumber(), label: "parts of a batch" }],
  }),
  seed: setting({
    schema: z.int().min(0).max(0xffffffff).default(1),
    help: "seed of the initial weights, the order of images and the augmentation",
    group: "task",
    inBaseline: "inherit",
    isSetBySweep: true,
    flags: [{ flag: "--seed <n>", codec: wholeNumber(0), label: "seed" }],
  }),
  schedule: setting({
    schema: scheduleSchema.prefault({ kind: "one-cycle" }),
    help: `learning rate over the run: ${scheduleKinds.join(", ")}`,
    group: "training",
    default: "one-cycle with peak 0.2 after a fifth of the run",
    inBaseline: "inherit",
    complete: (given, base) => ("kind" in given ? given : { kind: "one-cycle", ...base, ...given }),
    flags: [
      {
        flag: "--schedule <kind>",
        part: "kind",
        codec: choice("schedule", scheduleKinds),
        label: "schedule",
      },
      {
        flag: "--learning-rate <η>",
        part: "peak",
        codec: number,
        help: "peak of the learning rate",
        default: "0.2; 0.1 for step; a tenth of these from trained weights",
        label: "learning rate",
      },
    ],
  }),
  ...optimizerSettings,
  momentum: setting({
    schema: z.number().min(0).lt(1).default(0.9),
    help: "Nesterov momentum μ of weights and scaling factors",
    group: "training",
    inBaseline: "inherit",
    flags: [{ flag: "--momentum <μ>", codec: number, label: "momentum" }],
  }),
  weightDecay: setting({
    schema: z.number().nonnegative().default(5e-4),
    help: "weight decay of convolutions, linear layers and the scales of batch norms",
    group: "training",
    inBaseline: "inherit",
    flags: [{ flag: "--weight-decay <n>", codec: number, label: "weight decay" }],
  }),
  decoupledWeightDecay: setting({
    schema: z.boolean().exactOptional(),
    help: "weight decay is the share of a weight that one step at the peak learning rate removes, at any peak",
    group: "training",
    default: "false: a step removes learning rate times weight decay",
    inBaseline: "inherit",
    flags: [{ flag: "--decoupled-weight-decay", codec: switchTo(true), label: "decoupled weight decay" }],
  }),
  weightDecayOf: setting({
    schema: multiples<DecayedKind>(decayedKinds, z.number().nonnegative()).exactOptional(),
    help: `weight decay of kinds of parameters, as multiples: ${decayedKinds.join(", ")}`,
    group: "training",
    default: "1; 0 for bias and shift",
    inBaseline: "inherit",
    flags: [{ flag: "--decay-of <kind=n,…>", codec: numbersOf(decayedKinds), label: "weight decay of kinds" }],
  }),
  learningRateOf: setting({
    schema: multiples<TrainedKind>(trainedKinds, z.number().positive()).exactOptional(),
    help: `learning rate of kinds of parameters, as multiples: ${trainedKinds.join(", ")}`,
    group: "training",
    default: "1",
    inBaseline: "inherit",
    flags: [{ flag: "--rate-of <kind=n,…>", codec: numbersOf(trainedKinds), label: "learning rate of kinds" }],
  }),
  labelSmoothing: setting({
    schema: z.number().min(0).lt(1).default(0),
    help: "share of each label that is spread over all classes",
    group: "regularization",
    inBaseline: "inherit",
    flags: [{ flag: "--label-smoothing <ε>", codec: number, label: "label smoothing" }],
  }),
  mixing: setting({
    schema: z.strictObject({ kind: z.enum(["mixup", "cutmix"]), alpha: z.number().positive() }).exactOptional(),
    help: "mix images and their labels in pairs, with shares from Beta(α, α): { kind, alpha }",
    group: "regularization",
    default: "none",
    inBaseline: "inherit",
    flags: [
      {
        flag: "--mixup [α]",
        codec: mixing("mixup", 0.2),
        help: "blend images in pairs, with shares from Beta(α, α)",
        default: "α 0.2 if the flag has no value",
        label: "mixup α",
      },
      {
        flag: "--cutmix [α]",
        codec: mixing("cutmix", 1),
        help: "paste a part of one image into another, with shares from Beta(α, α)",
        default: "α 1 if the flag has no value",
        label: "cutmix α",
      },
    ],
  }),
  classWeights: setting({
    schema: z.enum(["balanced"]).exactOptional(),
    help: "balanced: weight the loss so that every class counts the same, however many images it has",
    group: "regularization",
    default: "every image counts the same",
    inBaseline: "inherit",
    flags: [{ flag: "--class-weights <how>", codec: choice("class weights", ["balanced"]), label: "class weights" }],
  }),
  clipNorm: setting({
    schema: z.number().positive().exactOptional(),
    help: "clip the gradient of all weights to this norm",
    group: "regularization",
    default: "no clipping",
    inBaseline: "inherit",
    flags: [{ flag: "--clip <norm>", codec: number, label: "clip" }],
  }),
  freezeBatchNorm: setting({
    schema: z.boolean().default(false),
    help: "normalise by the file's running statistics, and do not update them",
    group: "weights",
    inBaseline: "omit",
    flags: [{ flag: "--freeze-bn", codec: switchTo(true), label: "keep the file's batch statistics" }],
  }),
  fixBatchNormScale: setting({
    schema: z.boolean().exactOptional(),
    help: "do not train the scales of batch norms, so that none compensates for a scaling factor",
    group: "regularization",
    default: "false",
    inBaseline: "inherit",
    flags: [{ flag: "--fix-bn-scale", codec: switchTo(true), label: "fix the scales of batch norms" }],
  }),
  distill: setting({
    schema: z.union([z.literal(false), distillSchema]).exactOptional(),
    help: "train on the answers of the original network too (distillation): { weight, temperature }; false: do not",
    group: "weights",
    default: "weight 0.5, temperature 4 with a budget, if trained weights know the classes; else false",
    inBaseline: "omit",
    flags: [
      {
        flag: "--distill [α,T]",
        codec: distillation,
        help: "train on the answers of the original network too, with this weight in the loss and this temperature",
        default: "0.5,4 with a budget, if trained weights know the classes, or if the flag has no value",
        label: "distil α,T",
      },
    ],
  }),
  fromScratch: setting({
    schema: z.boolean().default(false),
    help: "ignore the weights of the file: draw new ones, and train at the learning rate for new weights",
    group: "weights",
    inBaseline: "omit",
    flags: [{ flag: "--from-scratch", codec: switchTo(true), label: "draw new weights" }],
  }),
  restoreBatchNorm: setting({
    schema: z.boolean().exactOptional(),
    help: "put back the batch norms that an exporter merged into convolutions; written files have them merged again",
    group: "weights",
    default: "true",
    inBaseline: "omit",
    flags: [
      {
        flag: "--no-restore-bn",
        codec: switchTo(false),
        help: "do not put back batch norms that an exporter merged into convolutions",
        label: "put merged batch norms back",
      },
    ],
  }),
  ...taskSettings,
  ...augmentationSettings,
  ...averagingSettings,
  ...integerSettings,
  syncBatchNorm: setting({
    schema: z.boolean().default(false),
    help: "under mpirun: normalise by the batch statistics of all ranks, not of each rank alone",
    group: "machine",
    inBaseline: "inherit",
    flags: [{ flag: "--sync-bn", codec: switchTo(true) }],
  }),
  engine: setting({
    schema: z.enum(engineNames).default(() => defaultEngine()),
    help: `${engineNames.join(" or ")}; reference is slow`,
    group: "machine",
    default: "onednn where it is installed",
    inBaseline: "inherit",
    flags: [{ flag: "--engine <name>", codec: choice("engine", engineNames), label: "engine" }],
  }),
  threads: setting({
    schema: positive.max(MOST_THREADS).exactOptional(),
    help: "threads of the engine",
    group: "machine",
    unit: "threads",
    default: "all cores",
    inBaseline: "inherit",
    isSettledAtStart: true,
    flags: [{ flag: "--threads <n>", codec: threadCount, label: "threads" }],
  }),
  precision: setting({
    schema: z.enum(precisionChoices).default("f32"),
    help: "precision of the training steps: f32, bf16, or auto for the faster one on this machine",
    group: "machine",
    default: "f32; on the command line auto",
    inBaseline: "inherit",
    isSettledAtStart: true,
    flags: [
      { flag: "--precision <p>", codec: choice("precision", precisionChoices), default: "auto", label: "precision" },
    ],
  }),
  evaluationImages: setting({
    schema: positive.default(2000),
    help: "test images scored after each epoch; at the end of the run all of them are scored",
    group: "machine",
    unit: "images",
    inBaseline: "inherit",
  }),
  certificateImages: setting({
    schema: positive.default(1000),
    help: "test images for the certificate, or all if there are fewer",
    group: "machine",
    unit: "images",
    inBaseline: "inherit",
  }),
  ...testTimeSettings,
  limit: setting({
    schema: z.strictObject({ train: positive.exactOptional(), test: positive.exactOptional() }).default({}),
    help: "use only the first images of a split: { train, test }",
    group: "task",
    unit: "images",
    default: "all",
    inBaseline: "inherit",
    flags: [
      {
        flag: "--limit <images>",
        part: "train",
        codec: wholeNumber(),
        help: "use only the first training images",
        label: "limit",
      },
    ],
  }),
  latency: setting({
    schema: z.boolean().default(true),
    help: "measure the latency of both networks in ONNX Runtime at the end",
    group: "machine",
    inBaseline: "inherit",
    flags: [
      {
        flag: "--no-latency",
        codec: switchTo(false),
        help: "do not measure latency in ONNX Runtime at the end",
        label: "measure latency at the end",
      },
    ],
  }),
  name: setting({
    schema: z
      .string()
      .regex(/^[\w.][\w.-]*$/, "letters, digits, dots, dashes and underscores only")
      .exactOptional(),
    help: "name of the run; its folder is runs/<name>",
    group: "task",
    default: "model and dataset",
    inBaseline: "omit",
    isSetBySweep: true,
    isSettledAtStart: true,
    commands: ["train"],
    flags: [{ flag: "--name <name>", codec: text, label: "name of the run" }],
  }),
};
