/** The settings that decide which structures are pruned, and when. */
import { z } from "zod";
import { type Budget, parseBudget } from "../../selection/budget.ts";
import { costKinds } from "../../selection/cost-model.ts";
import type { Selection } from "../../selection/factors.ts";
import { gammaMeasures } from "../../selection/structure-costs.ts";
import { choice, gamma, gammas, number, switchTo, text, wholeNumberOrAuto } from "./codecs.ts";
import { setting } from "./setting.ts";

const strength = z.number().nonnegative();
const selectionSchema: z.ZodType<Selection, Selection> = z.strictObject({
  neurons: strength.exactOptional(),
  groups: strength.exactOptional(),
  blocks: strength.exactOptional(),
  streams: strength.exactOptional(),
});

const measure = z.enum(costKinds);

/** A budget as in `run.json`. */
export const budgetSchema: z.ZodType<Budget, Budget> = z.union([
  z.strictObject({ of: measure, share: z.number().positive().max(1) }),
  z.strictObject({ of: measure, count: z.number().positive() }),
]);

/** Preparing the plans of a smaller ResNet-20 took as long as 11 to 100 of its steps (batch 64; 100 in bf16). */
const REBUILD_STEPS = 100;

/** Options of pruning while training. */
const shrinkSchema = z.strictObject({
  /** Number of epochs in which a structure must be at zero in every step before it is cut. */
  patience: z.number().positive().default(1),
  /** The cost of a cut, in steps. A cut must save as many steps, by its MACs, in the rest of the run. */
  rebuildSteps: z.number().nonnegative().default(REBUILD_STEPS),
});
export type ShrinkSettings = Readonly<z.output<typeof shrinkSchema>>;

const shrinking = z.union(
  [
    z.literal(false),
    z
      .literal(true)
      .transform(() => ({}))
      .pipe(shrinkSchema),
    shrinkSchema,
  ],
  { error: "true, false, or a patience above 0 epochs and rebuildSteps from 0" },
);

export const pruningSettings = {
  select: setting({
    schema: selectionSchema.default({}),
    help: "sparsity strength γ of neurons, groups, blocks and streams; a kind without γ is not pruned",
    group: "pruning",
    default: "none: plain training without pruning",
    inBaseline: "omit",
    flags: [
      {
        flag: "--gamma <γ>",
        codec: gammas,
        help: "sparsity strength: one number for neurons, groups and blocks, or neurons=…,groups=…,blocks=…,streams=…",
      },
      {
        flag: "--gamma-neurons <γ>",
        part: "neurons",
        codec: gamma,
        help: "γ of neurons: output channels, with one factor each",
        label: "γ of neurons",
        initial: "0.0016",
      },
      {
        flag: "--gamma-groups <γ>",
        part: "groups",
        codec: gamma,
        help: "γ of groups of grouped convolutions, with one factor each",
        label: "γ of groups",
      },
      {
        flag: "--gamma-blocks <γ>",
        part: "blocks",
        codec: gamma,
        help: "γ of residual blocks, with one factor each",
        label: "γ of blocks",
      },
      {
        flag: "--gamma-streams <γ>",
        part: "streams",
        codec: gamma,
        help: "γ of streams: channels that several layers share, with one factor each",
        label: "γ of streams",
      },
    ],
  }),
  gammaBy: setting({
    schema: z.enum(gammaMeasures).default("none"),
    help: `scale the γ of a structure by its cost: ${gammaMeasures.join(", ")}; no effect with a budget`,
    group: "pruning",
    inBaseline: "omit",
    flags: [{ flag: "--gamma-by <cost>", codec: choice("cost", gammaMeasures), label: "γ scaled by" }],
  }),
  budget: setting({
    schema: z.union([z.string().transform(parseBudget), budgetSchema]).exactOptional(),
    help:
      "cost that is to be left, instead of γ: 50% (of the MACs), 50%-latency, 1.5ms, 50%-params, 20M-macs; " +
      "γ then only says which kinds are pruned sooner",
    group: "pruning",
    default: "none",
    inBaseline: "omit",
    flags: [{ flag: "--budget <cost>", codec: text, label: "budget" }],
  }),
  latencyTable: setting({
    schema: z.string().min(1).exactOptional(),
    help: "predict latency from these times of layers: a file that espalier measure wrote on the device to prune for",
    group: "pruning",
    default: "measured on this machine in ONNX Runtime: one thread, one image",
    inBaseline: "omit",
    flags: [{ flag: "--latency-table <file>", codec: text, label: "latency table" }],
  }),
  gammaAfter: setting({
    schema: z.number().nonnegative().exactOptional(),
    help: "number of epochs to train before the penalty starts",
    group: "pruning",
    unit: "epochs",
    default: "0",
    inBaseline: "omit",
    flags: [{ flag: "--gamma-after <epochs>", codec: number, label: "penalty starts after" }],
  }),
  budgetBy: setting({
    schema: z.number().positive().exactOptional(),
    help: "meet the budget by this epoch, and train the remaining network for the rest of the run",
    group: "pruning",
    unit: "epochs",
    default: "about two fifths of a one-cycle run",
    inBaseline: "omit",
    flags: [{ flag: "--budget-by <epochs>", codec: number, label: "budget met by" }],
  }),
  round: setting({
    schema: z.int().positive().default(1),
    help: "keep the widths of layers at multiples of this number; on the command line auto measures the best one",
    group: "pruning",
    unit: "channels",
    inBaseline: "omit",
    flags: [{ flag: "--round <n>", codec: wholeNumberOrAuto, label: "widths at multiples of" }],
  }),
  shrink: setting({
    schema: shrinking.prefault(true),
    help: "prune while training: { patience, rebuildSteps }; false: prune only at the end",
    group: "pruning",
    default: "patience 1, rebuildSteps 100",
    inBaseline: "omit",
    flags: [
      {
        flag: "--patience <epochs>",
        part: "patience",
        codec: number,
        help: "prune a structure while training if it stays at zero this long: λ = 0 and ∂L/∂λ + γ ≥ 0 in every step",
        label: "patience",
      },
      {
        flag: "--no-shrink",
        codec: switchTo(false),
        help: "prune only at the end: train the whole network until then",
        label: "prune while training",
      },
    ],
  }),
};
