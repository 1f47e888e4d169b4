/** Reads norms, softmaxes and reductions over axes of arranged values. */
import type { ReductionAttributes } from "../../../graph/attributes.ts";
import { frontAxis } from "../folding/movement.ts";
import { readChannelNormalization } from "../ops/normalization.ts";
import { type Axis, type Factor, sameAxis } from "./arrangement.ts";
import { type ArrangedContext, type ArrangedRule, declare, divisions, hasBatch, isolated, withFirst } from "./rule.ts";

/** Over the last axis: a norm over the channels of the value whose channels this axis is. */
const layerNormalization: ArrangedRule = (context) => {
  const { node, arranger } = context;
  const arrangement = arranger.of(node.input(0));
  const rank = arrangement.axes.length;
  const axis = arrangement.axes.at(-1) ?? [];
  if (frontAxis(node, node.int("axis", -1), rank) !== rank - 1 || hasBatch(axis)) return false;
  const { source, inner } = arranger.ordered(node, arrangement, withFirst(arrangement.inner, axis));
  const made = context.as({ input: [source, ...node.inputs.slice(1)] }, readChannelNormalization);
  return declare(context, { source: made, inner, axes: arrangement.axes });
};

function softmax(isLogarithm: boolean): ArrangedRule {
  return (context) => {
    const { node, reader, arranger } = context;
    const arrangement = arranger.of(node.input(0));
    const rank = arrangement.axes.length;
    const asked = frontAxis(node, node.int("axis", node.opset >= 13 ? -1 : 1), rank);
    const axis = arrangement.axes[asked] ?? [];
    if ((node.opset < 13 && asked !== rank - 1) || hasBatch(axis)) return false;
    const ordered = arranger.ordered(node, arrangement, isolated(arrangement.inner, axis));
    const at = ordered.inner.findLastIndex((own) => sameAxis(own, axis)) + 1;
    const attributes = { ...(isLogarithm ? { isLogarithm } : {}), ...(at === 1 ? {} : { axis: at }) };
    const source = reader.add(node, "softmax", [ordered.source], attributes, { part: "softmax" });
    return declare(context, { ...ordered, source });
  };
}

const names: Readonly<Record<string, ReductionAttributes["function"]>> = {
  ReduceL1: "l1",
  ReduceL2: "l2",
  ReduceMax: "maximum",
  ReduceMean: "mean",
  ReduceMin: "minimum",
  ReduceSum: "sum",
};

function axesNamed({ node, reader }: ArrangedContext): readonly number[] {
  return (node.inputs[1] ?? "") === "" ? node.ints("axes", []) : reader.integers(node, node.input(1));
}

const reduce: ArrangedRule = (context) => {
  const { node, reader, arranger } = context;
  const name = names[node.opType];
  const arrangement = arranger.of(node.input(0));
  const rank = arrangement.axes.length;
  const places = new Set(axesNamed(context).map((axis) => frontAxis(node, axis, rank)));
  const reduced = new Set<Factor>(arrangement.axes.flatMap((axis, place) => (places.has(place) ? axis : [])));
  if (name === undefined || places.size === 0 || hasBatch([...reduced])) return false;
  const keeps = node.int("keepdims", 1) === 1;
  node.int("noop_with_empty_axes", 0);
  const inner = divisions(arrangement.inner, (factor) => reduced.has(factor));
  const { source } = arranger.ordered(node, arrangement, inner);
  const isReduced = (axis: Axis): boolean => axis.some((factor) => reduced.has(factor));
  const at = inner.flatMap((axis, index) => (isReduced(axis) ? [index + 1] : []));
  const axes = keeps
    ? arrangement.axes.map((axis, place) => (places.has(place) ? [] : axis))
    : arrangement.axes.filter((_, place) => !places.has(place));
  if (at.length === 0) {
    // A norm of one number is its absolute value; the other functions leave it as it is.
    const isNorm = name === "l1" || name === "l2";
    const made = isNorm
      ? reader.add(node, "activation", [source], { function: "absolute" }, { part: "reduced" })
      : source;
    return declare(context, { ...arrangement, source: made, inner, axes });
  }
  if (name === "mean" && at.join() === "2,3" && inner.length === 3) {
    const pooled = reader.add(node, "global_average_pooling", [source], {}, { part: "mean" });
    return declare(context, { source: pooled, inner: [inner[0] ?? [], [], []], axes });
  }
  const keepsAxes = at.length === inner.length;
  const made = reader.add(node, "reduction", [source], { function: name, axes: at, keepsAxes }, { part: "reduced" });
  const rest = keepsAxes ? inner.map(() => []) : inner.filter((axis) => !isReduced(axis));
  return declare(context, { source: made, inner: rest, axes });
};

export const statistics: readonly (readonly [opType: string, rule: ArrangedRule])[] = [
  ["LayerNormalization", layerNormalization],
  ["LogSoftmax", softmax(true)],
  ["Softmax", softmax(false)],
  ...Object.keys(names).map((opType) => [opType, reduce] as const),
];
