/**
 * ONNX `ReduceSum`, `ReduceMean`, `ReduceMax`, `ReduceMin`, `ReduceL1`, `ReduceL2` ↔ reduction; a mean or maximum over
 * the pixels of an image ↔ pooling. `LpNormalization` is read as a norm and a division by it.
 */
import type { ReductionAttributes } from "../../../graph/attributes.ts";
import { frontAxis } from "../folding/movement.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";
import { readImageMean } from "./pool.ts";

type Name = ReductionAttributes["function"];

interface Reduction {
  readonly name: Name;
  readonly src: string;
  readonly axes: readonly number[];
  readonly keepsAxes: boolean;
  readonly part?: string;
}

const opTypes: { readonly [K in Name]: string } = {
  sum: "ReduceSum",
  mean: "ReduceMean",
  maximum: "ReduceMax",
  minimum: "ReduceMin",
  l1: "ReduceL1",
  l2: "ReduceL2",
};

/** The opsets from which on the axes are an input. */
const opsetOfAxesInput = (name: Name): number => (name === "sum" ? 13 : 18);

/**
 * Channels of zeros that were pruned are counted by a node behind: of a mean by a factor, of a maximum or minimum by a
 * bound of zero.
 */
export const writeReduction: WriteRule<"reduction"> = (node, context) => {
  const { function: name, axes, keepsAxes, zeros = 0 } = node.attributes;
  const [src = ""] = node.inputs;
  const isInput = context.opset >= opsetOfAxesInput(name);
  const inputs = isInput ? [src, context.integers(`${node.name}/axes`, axes)] : [src];
  const attributes = { keepdims: keepsAxes ? 1 : 0, ...(isInput ? {} : { axes }) };
  if (zeros === 0 || name === "sum" || name === "l1" || name === "l2") {
    context.write(opTypes[name], node, inputs, attributes);
    return;
  }
  const own = context.helper(opTypes[name], `${node.name}/kept`, inputs, attributes);
  const channels = context.shape(src)[1] ?? 1;
  if (name === "mean")
    context.write("Mul", node, [own, context.scalar(`${node.name}/share`, channels / (channels + zeros))]);
  else if (name === "maximum") context.write("Relu", node, [own]);
  else context.write("Min", node, [own, context.scalar(`${node.name}/zero`, 0)]);
};

/** The axes that the node reduces; undefined if it names none and therefore does nothing. */
function axesOf(node: NodeReader, context: ReadContext): readonly number[] | undefined {
  const rank = context.shape(node.input(0)).length;
  const named = (node.inputs[1] ?? "") === "" ? node.ints("axes", []) : context.integers(node, node.input(1));
  const doesNothing = node.int("noop_with_empty_axes", 0) === 1 && named.length === 0;
  if (doesNothing) return undefined;
  const axes = named.map((axis) => frontAxis(node, axis, rank)).toSorted((a, b) => a - b);
  node.check(
    axes.length > 0 && axes[0] !== 0,
    "reduces the batch axis",
    "axes of 1 or more",
    axes.length === 0 ? "all" : axes.join(),
  );
  return axes;
}

/**
 * Reads a reduction of `src` as the node, or as the `part` of it. Axes of transposed images are mapped to those of the
 * images before the transpose. Returns the value.
 */
function reduce(node: NodeReader, context: ReadContext, { name, src, axes, keepsAxes, part }: Reduction): string {
  const own = part === undefined ? undefined : { part };
  const before = context.producer(src);
  if (before?.op !== "transpose" || !keepsAxes)
    return context.add(node, "reduction", [src], { function: name, axes, keepsAxes }, own);
  const { permutation } = before.attributes;
  const mapped = axes.map((axis) => permutation[axis] ?? 0).toSorted((a, b) => a - b);
  const [image = ""] = before.inputs;
  const attributes = { function: name, axes: mapped, keepsAxes };
  const inner = { part: part === undefined ? "reduced" : `${part}.reduced` };
  const reduced = context.add(node, "reduction", [image], attributes, inner);
  return context.add(node, "transpose", [reduced], { permutation }, own);
}

function keepsAxesOf(node: NodeReader): boolean {
  return node.int("keepdims", 1) === 1;
}

function readReduction(name: Name): ReadRule {
  return (node, context) => {
    const axes = axesOf(node, context);
    if (axes === undefined) context.alias(node, node.input(0));
    else if (name !== "mean" || !readImageMean(node, context, axes))
      reduce(node, context, { name, src: node.input(0), axes, keepsAxes: keepsAxesOf(node) });
  };
}

const readSumOfSquares: ReadRule = (node, context) => {
  const axes = axesOf(node, context);
  const power = { function: "power", exponent: 2 } as const;
  if (axes === undefined) context.add(node, "activation", [node.input(0)], power);
  else {
    const squares = context.add(node, "activation", [node.input(0)], power, { part: "squares" });
    reduce(node, context, { name: "sum", src: squares, axes, keepsAxes: keepsAxesOf(node) });
  }
};

/** A norm below this counts as this, so that zeros stay zeros. */
const SMALLEST_NORM = 1e-30;

const readLpNormalization: ReadRule = (node, context) => {
  const src = node.input(0);
  const order = node.int("p", 2);
  node.check(order === 1 || order === 2, "its norm is not known", "p 1 or 2", `${order}`);
  const axis = frontAxis(node, node.int("axis", -1), context.shape(src).length);
  node.check(axis > 0, "normalises over the batch", "an axis of 1 or more", `${axis}`);
  const name = order === 1 ? "l1" : "l2";
  const norm = reduce(node, context, { name, src, axes: [axis], keepsAxes: true, part: "norm" });
  const bounds = { minimum: SMALLEST_NORM, maximum: Number.POSITIVE_INFINITY };
  const divisor = context.add(node, "clip", [norm], bounds, { part: "divisor" });
  context.add(node, "binary", [src, divisor], { function: "divide" });
};

/** By ONNX op: how it is read. */
export const reductionRules: readonly (readonly [opType: string, rule: ReadRule])[] = [
  ...(Object.entries(opTypes) as [Name, string][]).map(([name, opType]) => [opType, readReduction(name)] as const),
  ["LpNormalization", readLpNormalization],
  ["ReduceSumSquare", readSumOfSquares],
];
