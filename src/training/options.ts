/**
 * The settings of a run: one schema for the library and the command line. Settings are plain JSON, stored whole in
 * `run.json`; what cannot be stored (the open dataset, callbacks, a signal) is handed to `train` beside them.
 */
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import { unknownName } from "../core/names.ts";
import type { Augmentation } from "../data/dataset.ts";
import type { Mixing } from "../data/mixing.ts";
import { defaultEngine, type EngineName, engineNames } from "../engine/create.ts";
import { precisions } from "../engine/engine.ts";
import { type Budget, parseBudget } from "../selection/budget.ts";
import { type GammaMeasure, gammaMeasures } from "../selection/costs.ts";
import type { Selection } from "../selection/factors.ts";
import type { Schedule } from "./schedules.ts";

export type { EngineName, Selection };

/** A learning-rate schedule with what may be left out; see `schedules.ts` for the meaning of each number. */
export type ScheduleOptions =
  | {
      readonly kind: "one-cycle";
      /** Default 0.2. */
      readonly peak?: number;
      /** Default 0.2. */
      readonly peakAt?: number;
      /** Default 25. */
      readonly startDivisor?: number;
      /** Default 10,000. */
      readonly endDivisor?: number;
    }
  | {
      readonly kind: "cosine";
      /** Default 0.2. */
      readonly peak?: number;
      /** Default 0. */
      readonly warmup?: number;
    }
  | {
      readonly kind: "step";
      /** Default 0.1. */
      readonly peak?: number;
      /** Default half and three quarters of the run. */
      readonly milestones?: readonly number[];
      /** Default 0.1. */
      readonly factor?: number;
    };

/** What a caller may set; only `epochs` must be. */
export interface SettingsInput {
  /** Passes over the training images. */
  readonly epochs: number;
  /**
   * Sparsity strength γ ≥ 0 of each kind of structure; a kind left out gets no factors. Default: none at all, which is
   * plain training, and nothing can be cut from it.
   */
  readonly select?: Selection;
  /**
   * Default "none": each structure has the γ of its kind. "macs" or "parameters": a structure's γ is that of its kind times what
   * it costs, divided by the mean cost of the kind's structures; see `selection/costs.ts`.
   */
  readonly gammaBy?: GammaMeasure;
  /**
   * What is to be left at the end: `"50%"` (of the MACs), `"50%-params"`, `"20M-macs"`, `"100k-params"`, or the same as data. γ is then
   * steered during the run, and of `select` only the ratios count; without it, all kinds that are of use are selected.
   */
  readonly budget?: string | Budget;
  /** Epochs before γ, or what a budget makes of it, is at work; default 0. A part of an epoch is fine. */
  readonly gammaAfter?: number;
  /** Epochs after which the budget is to be met; the rest is for the survivors. Default: as `selection/steering.ts` divides the run. */
  readonly budgetBy?: number;
  /** Keep the widths of the compact network at multiples of this, by structures without effect; default 1. */
  readonly round?: number;
  /**
   * Whether what is held at zero is cut while training goes on, so that steps get faster; default true. The result is the
   * same, to rounding. See `selection/margin.ts` and `pruning/shrink.ts`.
   */
  readonly shrink?: boolean | ShrinkOptions;
  /** Images a step; default 128. The last, incomplete batch of an epoch is left out. */
  readonly batch?: number;
  /**
   * Work a batch through in so many equal parts, whose gradients are added up, where it does not fit into memory at once; default 1. Batch
   * norms take their statistics from each part.
   */
  readonly accumulate?: number;
  /** Decides initial weights, order and augmentation; default 1. */
  readonly seed?: number;
  /** Default one-cycle with peak 0.2 after a fifth of the run. */
  readonly schedule?: ScheduleOptions;
  /** μ, of weights and factors alike; default 0.9. */
  readonly momentum?: number;
  /** Of convolution, linear and batch-norm scale parameters; default 5e-4. */
  readonly weightDecay?: number;
  /** Share of each label that is spread over all classes (Szegedy et al., 2016); from 0, the default, to below 1. */
  readonly labelSmoothing?: number;
  /** Images mixed in pairs, and their labels with them; default: not mixed. See `data/mixing.ts`. */
  readonly mixing?: Mixing;
  /** Largest norm of all gradients of a step together (factors' own aside); default: not clipped. */
  readonly clipNorm?: number;
  /** Normalise by the running statistics that the network came with, which then stay; default false. Needs trained weights. */
  readonly freezeBatchNorm?: boolean;
  /** Leave the scales of batch norms as they are, 1 in a new network, so that none makes up for a factor; default false. */
  readonly fixBatchNormScale?: boolean;
  /** Learn from the answers of the network the run starts from, too; needs trained weights. Default: not. */
  readonly distill?: DistillOptions;
  /** Whether to leave the weights of the file the network comes from, and draw new ones; default false. */
  readonly fromScratch?: boolean;
  /** True (the default): as the dataset proposes; false: not at all. */
  readonly augment?: boolean | Augmentation;
  /**
   * On several ranks: whether batch normalization uses the statistics of all ranks' images, so that the result does not depend on their
   * number; default false, each rank its own.
   */
  readonly syncBatchNorm?: boolean;
  /** Default: "onednn" where it is installed, else "reference", which is slow. */
  readonly engine?: EngineName;
  /** Threads of the engine; default: as many as the machine gives. */
  readonly threads?: number;
  /** Of the training steps; "auto" times both and takes the faster one. Scoring and the certificate are always f32. Default "f32". */
  readonly precision?: PrecisionChoice;
  /** Test images scored after each epoch; default 2,000. The end of the run always scores all of them. */
  readonly evaluationImages?: number;
  /** Test images of the certificate; default 1,000, and never more than there are. */
  readonly certificateImages?: number;
  /** Use only the first images of a split; default all. */
  readonly limit?: { readonly train?: number; readonly test?: number };
  /** Whether the end of the run times both networks in ONNX Runtime; default true. */
  readonly latency?: boolean;
  /** Name of the run and of its folder; default the model's and the dataset's names. */
  readonly name?: string;
}

/** How much is learnt from the teacher; Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015. */
export interface DistillOptions {
  /** α, of the teacher's part in the loss, 0 … 1; default 0.5. */
  readonly weight?: number;
  /** T, by which the logits of both are divided in that part; default 4. */
  readonly temperature?: number;
}

export interface DistillSettings {
  readonly weight: number;
  readonly temperature: number;
}

/** When a network shrinks while it is trained. */
export interface ShrinkOptions {
  /** Epochs that a structure must have been held at zero, at every step, before it is cut; default 1. */
  readonly patience?: number;
  /** What a cut costs, in steps: it is made only if the MACs it saves are worth as many in the rest of the run; default 100. */
  readonly rebuildSteps?: number;
}

export interface ShrinkSettings {
  readonly patience: number;
  readonly rebuildSteps: number;
}

export const precisionChoices: readonly ["f32", "bf16", "auto"] = [...precisions, "auto"];
export type PrecisionChoice = (typeof precisionChoices)[number];

/** Settings with every default filled in, except what the run decides itself: threads and name. */
export interface Settings {
  readonly epochs: number;
  readonly select: Selection;
  readonly gammaBy: GammaMeasure;
  readonly budget?: Budget;
  readonly gammaAfter?: number;
  readonly budgetBy?: number;
  readonly round: number;
  readonly shrink: false | ShrinkSettings;
  readonly batch: number;
  readonly accumulate?: number;
  readonly seed: number;
  readonly schedule: Schedule;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly labelSmoothing: number;
  readonly mixing?: Mixing;
  readonly clipNorm?: number;
  readonly freezeBatchNorm: boolean;
  readonly fixBatchNormScale?: boolean;
  readonly distill?: DistillSettings;
  readonly fromScratch: boolean;
  readonly augment: boolean | Augmentation;
  readonly syncBatchNorm: boolean;
  readonly engine: EngineName;
  readonly threads?: number;
  readonly precision: PrecisionChoice;
  readonly evaluationImages: number;
  readonly certificateImages: number;
  readonly limit: { readonly train?: number; readonly test?: number };
  readonly latency: boolean;
  readonly name?: string;
}

const positive = z.int().positive();
const share = z.number().min(0).max(1);
const rate = z.number().positive();
const gamma = z.number().nonnegative();
const costMeasure = z.enum(["macs", "parameters"]);
/** A budget as `run.json` has it. */
export const budgetSchema: z.ZodType<Budget> = z.union([
  z.strictObject({ of: costMeasure, share: z.number().positive().max(1) }),
  z.strictObject({ of: costMeasure, count: rate }),
]);

const range = z.tuple([rate, rate]).readonly();
const paddedCrop = z.strictObject({ pad: z.int().nonnegative(), flip: z.boolean() });
const areaCrop = z.strictObject({
  area: range,
  aspect: range,
  flip: z.boolean(),
  colour: share,
  noise: z.number().nonnegative(),
});

const schedule = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("one-cycle"),
    peak: rate.default(0.2),
    peakAt: share.default(0.2),
    startDivisor: z.number().min(1).default(25),
    endDivisor: z.number().min(1).default(1e4),
  }),
  z.strictObject({ kind: z.literal("cosine"), peak: rate.default(0.2), warmup: z.number().min(0).max(0.9).default(0) }),
  z.strictObject({
    kind: z.literal("step"),
    peak: rate.default(0.1),
    milestones: z.array(share).default([0.5, 0.75]),
    factor: rate.default(0.1),
  }),
]);

/** Preparing the plans of a smaller ResNet-20 took 11 to 100 of its steps (batch 64): most where all its kernels had to be timed, in bf16. */
const REBUILD_STEPS = 100;

const shrinking = z.strictObject({
  patience: z.number().positive().default(1),
  rebuildSteps: z.number().nonnegative().default(REBUILD_STEPS),
});

/** Schema of `SettingsInput`; parsing fills in the defaults. */
export const settingsSchema: z.ZodType<Settings> = z.strictObject({
  epochs: positive,
  select: z
    .strictObject({
      neurons: gamma.exactOptional(),
      groups: gamma.exactOptional(),
      blocks: gamma.exactOptional(),
      streams: gamma.exactOptional(),
    })
    .default({}),
  gammaBy: z.enum(gammaMeasures).default("none"),
  budget: z.union([z.string().transform(parseBudget), budgetSchema]).exactOptional(),
  gammaAfter: z.number().nonnegative().exactOptional(),
  budgetBy: rate.exactOptional(),
  round: positive.default(1),
  shrink: z
    .union(
      [
        z.literal(false),
        z
          .literal(true)
          .transform(() => ({}))
          .pipe(shrinking),
        shrinking,
      ],
      { error: "true, false, or a patience above 0 epochs and rebuildSteps from 0" },
    )
    .default({ patience: 1, rebuildSteps: REBUILD_STEPS }),
  batch: positive.default(128),
  accumulate: positive.exactOptional(),
  seed: z.int().min(0).max(0xffffffff).default(1),
  schedule: schedule.default({ kind: "one-cycle", peak: 0.2, peakAt: 0.2, startDivisor: 25, endDivisor: 1e4 }),
  momentum: z.number().min(0).lt(1).default(0.9),
  weightDecay: z.number().nonnegative().default(5e-4),
  labelSmoothing: z.number().min(0).lt(1).default(0),
  mixing: z.strictObject({ kind: z.enum(["mixup", "cutmix"]), alpha: rate }).exactOptional(),
  clipNorm: rate.exactOptional(),
  freezeBatchNorm: z.boolean().default(false),
  fixBatchNormScale: z.boolean().exactOptional(),
  distill: z.strictObject({ weight: share.default(0.5), temperature: rate.default(4) }).exactOptional(),
  fromScratch: z.boolean().default(false),
  augment: z.union([z.boolean(), paddedCrop, areaCrop]).default(true),
  syncBatchNorm: z.boolean().default(false),
  engine: z.enum(engineNames).default(() => defaultEngine()),
  threads: positive.exactOptional(),
  precision: z.enum(precisionChoices).default("f32"),
  evaluationImages: positive.default(2000),
  certificateImages: positive.default(1000),
  limit: z.strictObject({ train: positive.exactOptional(), test: positive.exactOptional() }).default({}),
  latency: z.boolean().default(true),
  name: z
    .string()
    .regex(/^[\w.][\w.-]*$/, "letters, digits, dots, dashes and underscores only")
    .exactOptional(),
});

/** Names of all settings, for "did you mean". */
export const settingNames: readonly string[] = [
  "epochs",
  "select",
  "gammaBy",
  "budget",
  "gammaAfter",
  "budgetBy",
  "round",
  "shrink",
  "batch",
  "accumulate",
  "seed",
  "schedule",
  "momentum",
  "weightDecay",
  "labelSmoothing",
  "mixing",
  "clipNorm",
  "freezeBatchNorm",
  "fixBatchNormScale",
  "distill",
  "fromScratch",
  "augment",
  "syncBatchNorm",
  "engine",
  "threads",
  "precision",
  "evaluationImages",
  "certificateImages",
  "limit",
  "latency",
  "name",
] satisfies (keyof SettingsInput)[];

/**
 * Checks `input` and fills in the defaults.
 * @throws UserError "unknown-name" for a setting that does not exist (with the nearest that does), "bad-option" for a
 * value out of range: γ below zero, a batch of 0, ….
 */
export function parseSettings(input: unknown): Settings {
  const parsed = settingsSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  // A name that is misspelt is the reason, too, why the one that was meant is missing.
  const misspelt = parsed.error.issues.find(({ code, path }) => code === "unrecognized_keys" && path.length === 0);
  if (misspelt?.code === "unrecognized_keys") throw unknownName("option", misspelt.keys[0] ?? "", settingNames);
  const [issue] = parsed.error.issues;
  const option = issue?.path.join(".") ?? "";
  const isGamma = issue?.path[0] === "select" && issue.path.length === 2;
  throw new UserError("bad-option", issue?.message ?? "not a valid setting", {
    about: option === "" ? "the options of a run" : `option "${option}"`,
    hint: isGamma
      ? "The sparsity strength γ is a number from 0; leave the kind out for a network without such factors"
      : "Correct it and start again; nothing was written",
    cause: parsed.error,
  });
}
