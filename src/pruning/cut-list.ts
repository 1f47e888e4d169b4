/**
 * Describes what pruning removes from a network, as plain JSON that can be printed, stored and applied again. The steps
 * are applied in order, each to the result of the one before.
 */

import { z } from "zod";
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import type { Cost } from "../graph/cost.ts";

/** The indices of one axis of length `total` that stay, ascending. */
export interface AxisCut {
  readonly axis: number;
  readonly total: number;
  readonly kept: readonly number[];
}

/** A node that is removed: its readers read `by` instead, which is one of its inputs. */
export interface BypassedNode {
  readonly node: string;
  readonly by: string;
  /**
   * If present, the node becomes a `bias` node of the same name, which adds this to `by`: one number per channel. It
   * arises if a branch lost all its neurons: the shift of its last batch norm remains.
   */
  readonly constant?: readonly number[];
}

/** An addition of which one operand has become a constant that is still trained: see `constant-branches.ts`. */
export interface ConstantBranch {
  /** The addition. It becomes a `bias` node of the same name: `by` + `shift` · the factors of `scales`. */
  readonly node: string;
  /** The other operand of the addition. */
  readonly by: string;
  /** The shift of the branch's last batch norm. */
  readonly shift: string;
  /** The `scale` nodes between that batch norm and the addition, in execution order. */
  readonly scales: readonly string[];
  /** The batch norm's running mean. It counts as zero from here on. */
  readonly mean: string;
}

export type CutStep =
  | { readonly kind: "bypass"; readonly nodes: readonly BypassedNode[] }
  /** Occurs only during training. */
  | { readonly kind: "constant"; readonly branches: readonly ConstantBranch[] }
  /** By value or parameter: the axes that get shorter. */
  | { readonly kind: "slice"; readonly slices: Readonly<Record<string, readonly AxisCut[]>> };

const indices = z.int().nonnegative();

/** Reads a step back from JSON. */
export const cutStepSchema: z.ZodType<CutStep> = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("bypass"),
    nodes: z.array(z.strictObject({ node: z.string(), by: z.string(), constant: z.array(z.number()).exactOptional() })),
  }),
  z.strictObject({
    kind: z.literal("constant"),
    branches: z.array(
      z.strictObject({
        ...{ node: z.string(), by: z.string(), shift: z.string() },
        ...{ scales: z.array(z.string()), mean: z.string() },
      }),
    ),
  }),
  z.strictObject({
    kind: z.literal("slice"),
    slices: z.record(z.string(), z.array(z.strictObject({ axis: indices, total: indices, kept: z.array(indices) }))),
  }),
]);

/** The output channels of one layer with weights, before and after; `kept` is 0 if the layer is removed. */
export interface LayerCut {
  readonly layer: string;
  readonly total: number;
  readonly kept: number;
}

/** Everything that pruning removes from a network. */
export interface CutList {
  /** Name of the graph. */
  readonly network: string;
  readonly steps: readonly CutStep[];
  /** The removed nodes. Factors do not count, because they are folded first. */
  readonly removed: readonly string[];
  readonly layers: readonly LayerCut[];
  /** Cost of one image before and after. */
  readonly before: Cost;
  readonly after: Cost;
  /** Remarks for the user, as sentences. */
  readonly notes: readonly string[];
}

/** The indices along `axis` of `value` that are left after `steps`. `total`: the length before the first step. */
export function keptIndices(steps: readonly CutStep[], value: string, axis: number, total: number): readonly number[] {
  let kept: readonly number[] = Array.from({ length: total }, (_, index) => index);
  for (const step of steps) {
    const cut = step.kind === "slice" ? step.slices[value]?.find((one) => one.axis === axis) : undefined;
    if (cut !== undefined) kept = cut.kept.flatMap((index) => kept[index] ?? []);
  }
  return kept;
}

const costSchema = z.strictObject({ macs: z.number(), parameters: z.number() });
const cutListSchema: z.ZodType<CutList> = z.strictObject({
  network: z.string(),
  steps: z.array(cutStepSchema),
  removed: z.array(z.string()),
  layers: z.array(z.strictObject({ layer: z.string(), total: indices, kept: indices })),
  before: costSchema,
  after: costSchema,
  notes: z.array(z.string()),
});

/** Reads a cut list from JSON. Throws `UserError("bad-file")` if the text is not a cut list. */
export function parseCutList(json: string): CutList {
  requireArguments("parseCutList", { json: [json, "text"] });
  try {
    return cutListSchema.parse(JSON.parse(json));
  } catch (cause) {
    const hint = "Give what JSON.stringify made of the cuts of `compact`";
    throw new UserError("bad-file", "not a cut list", { expected: "JSON of a cut list", hint, cause });
  }
}
