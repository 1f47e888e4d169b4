/** Recognises a normalization that is written out in small ops, as PyTorch does and as this package does. */
import { type Shape, sameShape } from "../../core/tensor.ts";
import { shortestDecimal } from "./decimal.ts";
import type { NodeReader } from "./node-reader.ts";
import type { ReadContext } from "./rules.ts";

interface Mean {
  readonly of: string;
  readonly axes: readonly number[];
}

/** What `value` is the mean of, with its axes kept; undefined if it is none. */
function meanOf(context: ReadContext, value: string): Mean | undefined {
  const node = context.producer(value);
  const [of = ""] = node?.inputs ?? [];
  if (node?.op === "global_average_pooling") return { of, axes: [...context.shape(of).keys()].slice(2) };
  if (node?.op !== "reduction") return undefined;
  const { function: name, axes, keepsAxes, zeros } = node.attributes;
  return name === "mean" && keepsAxes && zeros === undefined ? { of, axes } : undefined;
}

/** The values that `value` is the difference of: a value and a number of it have the same shape now and then. */
function differenceOf(context: ReadContext, value: string): readonly [src: string, subtracted: string] | undefined {
  const node = context.producer(value);
  const [first = "", second = ""] = node?.inputs ?? [];
  if (node?.op === "binary" && node.attributes.function === "subtract") return [first, second];
  const other = node?.op === "add" ? context.producer(second) : undefined;
  const isNegative =
    other?.op === "activation" &&
    other.attributes.function === "linear" &&
    other.attributes.slope === -1 &&
    other.attributes.offset === 0;
  return isNegative ? [first, other.inputs[0] ?? ""] : undefined;
}

/** The mean that `value` is a value less, if it is one; the value is `Mean.of`. */
function centredBy(context: ReadContext, value: string): Mean | undefined {
  const difference = differenceOf(context, value);
  if (difference === undefined) return undefined;
  const [src, subtracted] = difference;
  const mean = meanOf(context, subtracted);
  return mean?.of === src ? mean : transposedMean(context, src, subtracted);
}

/** The mean of `src`, a transposed value, if `value` is the mean of that value, transposed in the same way. */
function transposedMean(context: ReadContext, src: string, value: string): Mean | undefined {
  const [before, behind] = [context.producer(src), context.producer(value)];
  if (before?.op !== "transpose" || behind?.op !== "transpose") return undefined;
  const { permutation } = before.attributes;
  const mean = meanOf(context, behind.inputs[0] ?? "");
  const isSame = behind.attributes.permutation.join() === permutation.join() && mean?.of === before.inputs[0];
  if (mean === undefined || !isSame) return undefined;
  return { of: src, axes: permutation.flatMap((from, axis) => (mean.axes.includes(from) ? [axis] : [])) };
}

/** The value that `value` is the square of. */
function rootOf(context: ReadContext, value: string): string | undefined {
  const node = context.producer(value);
  const [a, b] = node?.inputs ?? [];
  if (node?.op === "multiply" && a === b) return a;
  const isSquare = node?.op === "activation" && node.attributes.function === "power" && node.attributes.exponent === 2;
  return isSquare ? a : undefined;
}

/** The value below the root in `value`, if it is the root of a sum with a number, and the number. */
function underRoot(context: ReadContext, value: string): { readonly of: string; readonly epsilon: number } | undefined {
  const root = context.producer(value);
  if (root?.op !== "activation") return undefined;
  const { attributes } = root;
  const isRoot =
    attributes.function === "square_root" || (attributes.function === "power" && attributes.exponent === 0.5);
  const sum = isRoot ? context.producer(root.inputs[0] ?? "") : undefined;
  if (sum?.op !== "activation" || sum.attributes.function !== "linear" || sum.attributes.slope !== 1) return undefined;
  return { of: sum.inputs[0] ?? "", epsilon: sum.attributes.offset };
}

/**
 * Adds a normalization for the node if `dividend` / `divisor` is (x − mean) / √(mean((x − mean)²) + epsilon). Returns
 * whether it is.
 */
export function readNormalization(node: NodeReader, context: ReadContext, dividend: string, divisor: string): boolean {
  const mean = centredBy(context, dividend);
  const raised = underRoot(context, divisor);
  const variance = raised === undefined ? undefined : meanOf(context, raised.of);
  const centred = variance === undefined ? undefined : centredBy(context, rootOf(context, variance.of) ?? "");
  if (mean === undefined || raised === undefined || variance === undefined || centred?.of !== mean.of) return false;
  const { of, axes } = mean;
  if (![variance.axes, centred.axes].every((others) => others.join() === axes.join()) || raised.epsilon < 0)
    return false;
  const epsilon = context.exact(node, "epsilon", raised.epsilon, shortestDecimal);
  context.add(node, "normalization", [of], { axes, epsilon });
  return true;
}

/**
 * Adds a normalization in groups of channels for a reshape of `src` to `features`, if `src` was normalised with each
 * group as one channel and had these dims before. Returns whether it was.
 */
export function readGroups(node: NodeReader, context: ReadContext, src: string, features: Shape): boolean {
  const normalization = context.producer(src);
  if (normalization?.op !== "normalization" || normalization.attributes.axes.join() !== "2") return false;
  const seen = context.producer(normalization.inputs[0] ?? "");
  const [image = ""] = seen?.inputs ?? [];
  if (seen?.op !== "reshape" || !sameShape(context.shape(image).slice(1), features)) return false;
  const [, groups = 1, ...others] = context.shape(src);
  const [channels = 1] = features;
  if (others.length !== 1 || channels % groups !== 0) return false;
  const { epsilon } = normalization.attributes;
  const axes = features.map((_, axis) => axis + 1);
  context.add(node, "normalization", [image], {
    axes,
    groups,
    epsilon: context.exact(node, "epsilon", epsilon, shortestDecimal),
  });
  return true;
}
