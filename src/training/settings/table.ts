/**
 * The table of settings, a row a setting, in the order in which `run.json` has them. To add a setting, add a row here
 * (or in `pruning.ts`) and use it; `npm run docs` then rewrites its line in docs/settings.md.
 */
import { z } from "zod";
import type { Augmentation } from "../../data/dataset.ts";
import { defaultEngine, engineNames } from "../../engine/create.ts";
import { precisions } from "../../engine/engine.ts";
import { scheduleKinds, scheduleSchema } from "../schedules.ts";
import { choice, distillation, mixing, number, switchTo, text, wholeNumber } from "./codecs.ts";
import { pruningSettings } from "./pruning.ts";
import { setting } from "./setting.ts";

/**
 * Passes over the training images where the command line asks for none: of new weights, and of those that a file
 * brings.
 */
export const defaultEpochs = { new: 40, trained: 15 } as const;

export const precisionChoices = [...precisions, "auto"] as const;
export type PrecisionChoice = (typeof precisionChoices)[number];

const positive = z.int().positive();
const share = z.number().min(0).max(1);
const range = z.tuple([z.number().positive(), z.number().positive()]).readonly();
const augmentation: z.ZodType<boolean | Augmentation, boolean | Augmentation> = z.union([
  z.boolean(),
  z.strictObject({ pad: z.int().nonnegative(), flip: z.boolean() }),
  z.strictObject({ area: range, aspect: range, flip: z.boolean(), colour: share, noise: z.number().nonnegative() }),
]);

/** Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015. */
const distillSchema = z.strictObject({
  /** α, of the teacher's part in the loss. */
  weight: share.default(0.5),
  /** T, by which the logits of both are divided in that part. */
  temperature: z.number().positive().default(4),
});
export type DistillSettings = Readonly<z.output<typeof distillSchema>>;

export const settingsTable = {
  epochs: setting({
    schema: positive,
    help: "passes over the training images",
    group: "task",
    unit: "epochs",
    isRequired: true,
    control: "own",
    flags: [
      {
        flag: "--epochs <n>",
        codec: wholeNumber(),
        default: `${defaultEpochs.new}; ${defaultEpochs.trained} from trained weights`,
        label: "epochs",
        initial: "10",
      },
    ],
  }),
  ...pruningSettings,
  batch: setting({
    schema: positive.default(128),
    help: "images a step; the last, incomplete batch of an epoch is left out",
    group: "training",
    unit: "images",
    control: "inherit",
    flags: [{ flag: "--batch <images>", codec: wholeNumber(), label: "batch" }],
  }),
  accumulate: setting({
    schema: positive.exactOptional(),
    help: "work a batch through in this many parts and add up their gradients, where it does not fit into memory",
    group: "training",
    unit: "parts",
    default: "1",
    control: "inherit",
    flags: [{ flag: "--accumulate <n>", codec: wholeNumber(), label: "parts of a batch" }],
  }),
  seed: setting({
    schema: z.int().min(0).max(0xffffffff).default(1),
    help: "decides initial weights, order and augmentation",
    group: "task",
    control: "inherit",
    isSetBySweep: true,
    flags: [{ flag: "--seed <n>", codec: wholeNumber(0), label: "seed" }],
  }),
  schedule: setting({
    schema: scheduleSchema.prefault({ kind: "one-cycle" }),
    help: `learning rate over the run: ${scheduleKinds.join(", ")}`,
    group: "training",
    default: "one-cycle with peak 0.2 after a fifth of the run",
    control: "inherit",
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
        default: "0.2; 0.1 for step; a tenth of it from trained weights",
        label: "learning rate",
      },
    ],
  }),
  momentum: setting({
    schema: z.number().min(0).lt(1).default(0.9),
    help: "Nesterov momentum μ of weights and scaling factors",
    group: "training",
    control: "inherit",
    flags: [{ flag: "--momentum <μ>", codec: number, label: "momentum" }],
  }),
  weightDecay: setting({
    schema: z.number().nonnegative().default(5e-4),
    help: "weight decay of convolutions, linear layers and the scales of batch norms",
    group: "training",
    control: "inherit",
    flags: [{ flag: "--weight-decay <n>", codec: number, label: "weight decay" }],
  }),
  labelSmoothing: setting({
    schema: z.number().min(0).lt(1).default(0),
    help: "share of each label that is spread over all classes",
    group: "regularization",
    control: "inherit",
    flags: [{ flag: "--label-smoothing <ε>", codec: number, label: "label smoothing" }],
  }),
  mixing: setting({
    schema: z.strictObject({ kind: z.enum(["mixup", "cutmix"]), alpha: z.number().positive() }).exactOptional(),
    help: "mix images in pairs, and their labels with them, by shares of Beta(α, α): { kind, alpha }",
    group: "regularization",
    default: "none",
    control: "inherit",
    flags: [
      {
        flag: "--mixup [α]",
        codec: mixing("mixup", 0.2),
        help: "blend images in pairs, by shares of Beta(α, α)",
        default: "α 0.2 where the flag stands alone",
        label: "mixup α",
      },
      {
        flag: "--cutmix [α]",
        codec: mixing("cutmix", 1),
        help: "paste a part of one image into another",
        default: "α 1 where the flag stands alone",
        label: "cutmix α",
      },
    ],
  }),
  clipNorm: setting({
    schema: z.number().positive().exactOptional(),
    help: "shorten the gradient of the weights to this norm",
    group: "regularization",
    default: "not clipped",
    control: "inherit",
    flags: [{ flag: "--clip <norm>", codec: number, label: "clip" }],
  }),
  freezeBatchNorm: setting({
    schema: z.boolean().default(false),
    help: "normalise by the running statistics of the file, which then stay as they are",
    group: "weights",
    control: "omit",
    flags: [{ flag: "--freeze-bn", codec: switchTo(true), label: "keep the file's batch statistics" }],
  }),
  fixBatchNormScale: setting({
    schema: z.boolean().exactOptional(),
    help: "leave the scales of batch norms as they are, so that none makes up for a scaling factor",
    group: "regularization",
    default: "false",
    control: "inherit",
    flags: [{ flag: "--fix-bn-scale", codec: switchTo(true), label: "leave the scales of batch norms" }],
  }),
  distill: setting({
    schema: distillSchema.exactOptional(),
    help: "learn from the answers of the original network, too: { weight, temperature }",
    group: "weights",
    default: "none",
    control: "omit",
    flags: [
      {
        flag: "--distill [α,T]",
        codec: distillation,
        help: "learn from the answers of the original network, too: their part in the loss, and the temperature",
        default: "0.5,4 where the flag stands alone",
        label: "distil α,T",
      },
    ],
  }),
  fromScratch: setting({
    schema: z.boolean().default(false),
    help: "leave the weights of the file, draw new ones, and train at the learning rate for new ones",
    group: "weights",
    control: "omit",
    flags: [{ flag: "--from-scratch", codec: switchTo(true), label: "draw new weights" }],
  }),
  augment: setting({
    schema: augmentation.default(true),
    help: "change training images at random: true as the dataset proposes, false not at all, or how",
    group: "training",
    control: "inherit",
    flags: [
      {
        flag: "--no-augment",
        codec: switchTo(false),
        help: "train on the images as they are",
        label: "augment images",
      },
    ],
  }),
  syncBatchNorm: setting({
    schema: z.boolean().default(false),
    help: "under mpirun: normalise by the statistics of all ranks' images, not by each rank's own",
    group: "machine",
    control: "inherit",
    flags: [{ flag: "--sync-bn", codec: switchTo(true) }],
  }),
  engine: setting({
    schema: z.enum(engineNames).default(() => defaultEngine()),
    help: `${engineNames.join(" or ")}; reference is slow`,
    group: "machine",
    default: "onednn where it is installed",
    control: "inherit",
    flags: [{ flag: "--engine <name>", codec: choice("engine", engineNames), label: "engine" }],
  }),
  threads: setting({
    schema: positive.exactOptional(),
    help: "threads of the engine",
    group: "machine",
    unit: "threads",
    default: "all cores",
    control: "inherit",
    isSettledAtStart: true,
    flags: [{ flag: "--threads <n>", codec: wholeNumber(), label: "threads" }],
  }),
  precision: setting({
    schema: z.enum(precisionChoices).default("f32"),
    help: "precision of the training steps: f32, bf16, or auto for the one whose steps are shorter here",
    group: "machine",
    control: "inherit",
    isSettledAtStart: true,
    flags: [{ flag: "--precision <p>", codec: choice("precision", precisionChoices), label: "precision" }],
  }),
  evaluationImages: setting({
    schema: positive.default(2000),
    help: "test images that are scored after each epoch; the end of the run scores all of them",
    group: "machine",
    unit: "images",
    control: "inherit",
  }),
  certificateImages: setting({
    schema: positive.default(1000),
    help: "test images of the certificate, or all if there are fewer",
    group: "machine",
    unit: "images",
    control: "inherit",
  }),
  limit: setting({
    schema: z.strictObject({ train: positive.exactOptional(), test: positive.exactOptional() }).default({}),
    help: "use only the first images of a split: { train, test }",
    group: "task",
    unit: "images",
    default: "all",
    control: "inherit",
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
    help: "time both networks in ONNX Runtime at the end",
    group: "machine",
    control: "inherit",
    flags: [
      {
        flag: "--no-latency",
        codec: switchTo(false),
        help: "do not time the networks in ONNX Runtime at the end",
        label: "time the networks at the end",
      },
    ],
  }),
  name: setting({
    schema: z
      .string()
      .regex(/^[\w.][\w.-]*$/, "letters, digits, dots, dashes and underscores only")
      .exactOptional(),
    help: "name of the run, which is kept in runs/<name>",
    group: "task",
    default: "model and dataset",
    control: "omit",
    isSetBySweep: true,
    isSettledAtStart: true,
    commands: ["train"],
    flags: [{ flag: "--name <name>", codec: text, label: "name of the run" }],
  }),
};
