/** Reads products of arranged values with weights, as convolutions of one pixel, and with one another. */
import { elementCount, tensor } from "../../../core/tensor.ts";
import { type Arrangement, type Axis, axisOf, dimsOf, extentOf, sameAxis, unified } from "./arrangement.ts";
import { type ArrangedContext, type ArrangedRule, declare, hasBatch, withFirst } from "./rule.ts";

const ONE_PIXEL = {
  strides: [1, 1],
  padding: { top: 0, left: 0, bottom: 0, right: 0 },
  dilation: [1, 1],
  groups: 1,
} as const;

/** A matrix [O,F] of a constant, and the bias [O] behind the product. */
interface Weights {
  readonly constant: string;
  readonly values: Float32Array;
  readonly outputs: number;
  readonly inputs: number;
  readonly bias?: string;
}

/**
 * The product of `weights` and the numbers along the factors `axis`. The result has its outputs as its first axis
 * behind the batch, where the file's axes have `made`.
 */
export function applied(
  { node, arranger, reader }: ArrangedContext,
  arrangement: Arrangement,
  axis: Axis,
  { constant, values, outputs, inputs, bias }: Weights,
): { readonly source: string; readonly inner: readonly Axis[]; readonly made: Axis } {
  const made = axisOf(outputs);
  const { source, inner } = arranger.ordered(node, arrangement, withFirst(arrangement.inner, axis));
  const rest = inner.slice(1);
  const isVector = rest.length === 0;
  const shape = isVector ? [outputs, inputs] : [outputs, inputs, 1, 1];
  const parameters = [
    reader.derived(node, constant, "weights", tensor(shape, values)),
    ...(bias === undefined ? [] : [bias]),
  ];
  if (isVector) {
    const value = reader.add(node, "linear", [source, ...parameters], {}, { part: "product" });
    reader.products.add(value);
    return { source: value, inner: [made], made };
  }
  const [rows, columns]: readonly [Axis, Axis] = rest.length === 2 ? [rest[0] ?? [], rest[1] ?? []] : [[], rest.flat()];
  const image = arranger.reshaped(node, source, dimsOf([axis, rows, columns]));
  const value = reader.add(node, "convolution", [image, ...parameters], ONE_PIXEL, { part: "product" });
  reader.products.add(value);
  return { source: value, inner: [made, rows, columns], made };
}

/** The constant matrix of rank 2, as [O,F]; `isTransposed` if it is stored like that. */
function matrixOf({ node, reader }: ArrangedContext, name: string, isTransposed: boolean, times = 1): Weights {
  const { dims = [], values } = reader.constant(name) ?? {};
  const [rows = 0, columns = 0] = dims.slice(-2);
  node.check(
    values instanceof Float32Array && elementCount(dims) === rows * columns && dims.length >= 2,
    "its weights are not one matrix of floats",
    "2 axes",
    `[${dims.join()}]`,
  );
  const [outputs, inputs] = isTransposed ? [rows, columns] : [columns, rows];
  const turned = Float32Array.from({ length: rows * columns }, (_, index) => {
    const [output, input] = [Math.floor(index / inputs), index % inputs];
    return times * Number(values?.[isTransposed ? index : input * outputs + output] ?? 0);
  });
  return { constant: name, values: turned, outputs, inputs };
}

const gemm: ArrangedRule = (context) => {
  const { node, reader, arranger } = context;
  const [alpha, beta] = [node.float("alpha", 1), node.float("beta", 1)];
  if (node.int("transA", 0) !== 0 || !reader.isConstant(node.input(1)) || reader.isConstant(node.input(0)))
    return false;
  const arrangement = arranger.of(node.input(0));
  const weights = matrixOf(context, node.input(1), node.int("transB", 0) === 1, alpha);
  const axis = arrangement.axes[1] ?? [];
  if (hasBatch(axis) || extentOf(axis) !== weights.inputs) return false;
  const name = node.inputs[2] ?? "";
  if (name !== "" && (beta !== 1 || elementCount(reader.shape(name)) !== weights.outputs)) return false;
  const bias = name === "" ? {} : { bias: reader.parameter(node, name, [weights.outputs]) };
  const { source, inner, made } = applied(context, arrangement, axis, { ...weights, ...bias });
  return declare(context, { source, inner, axes: arrangement.axes.with(1, made) });
};

/** By a constant matrix, on either side. */
function byConstant(context: ArrangedContext, value: string, constant: string, isLeft: boolean): boolean {
  const arrangement = context.arranger.of(value);
  const place = arrangement.axes.length - (isLeft ? 2 : 1);
  const axis = arrangement.axes[place] ?? [];
  const weights = matrixOf(context, constant, isLeft);
  // A constant with more axes would add them in front of the batch.
  if (context.reader.shape(constant).length > arrangement.axes.length) return false;
  if (place < 0 || hasBatch(axis) || extentOf(axis) !== weights.inputs) return false;
  const { source, inner, made } = applied(context, arrangement, axis, weights);
  return declare(context, { source, inner, axes: arrangement.axes.with(place, made) });
}

/** The value with axes in front, and the two axes of its matrices last. */
function matrices(
  { node, arranger }: ArrangedContext,
  arrangement: Arrangement,
  outer: Axis,
  [rows, columns]: readonly [Axis, Axis],
): string {
  const front = outer.length === 0 ? [] : [outer];
  return arranger.ordered(node, arrangement, [...front, rows, columns]).source;
}

/**
 * The products of the matrices of two values, whose `outer` factors are the same. Without outer factors, the channels
 * stay in front where an operand has them there, so that they can be pruned. Where both have, nothing is turned, so
 * that a written file is read as the same network.
 */
export function productOfValues(
  context: ArrangedContext,
  a: Arrangement,
  b: Arrangement,
  { outer, rows, inside, columns }: Readonly<Record<"outer" | "rows" | "inside" | "columns", Axis>>,
): Pick<Arrangement, "source" | "inner"> & { readonly columns: Axis } {
  const { node, reader } = context;
  const isFirst = (axis: Axis, of: Arrangement): boolean => axis.length > 0 && sameAxis(of.inner[0] ?? [], axis);
  const isTurned = outer.length === 0 && isFirst(columns, b) && !isFirst(rows, a);
  const front = outer.length === 0 ? [] : [outer];
  const operands = isTurned
    ? [matrices(context, b, outer, [columns, inside]), matrices(context, a, outer, [inside, rows])]
    : [matrices(context, a, outer, [rows, inside]), matrices(context, b, outer, [inside, columns])];
  const source = reader.add(node, "matmul", operands, {}, { part: "product" });
  // Both operands may be arrangements of one value: rows and columns are told apart.
  const own = columns.map((factor) => ({ ...factor }));
  return { source, inner: [...front, ...(isTurned ? [own, rows] : [rows, own])], columns: own };
}

const matMul: ArrangedRule = (context) => {
  const { node, reader, arranger } = context;
  const [left, right] = [node.input(0), node.input(1)];
  if (reader.isConstant(right)) return byConstant(context, left, right, false);
  if (reader.isConstant(left)) return byConstant(context, right, left, true);
  const [a, b] = [arranger.of(left), arranger.of(right)];
  const rank = a.axes.length;
  if (rank < 3 || b.axes.length !== rank) return false;
  const places = a.axes.map((_, place) => place).slice(0, -2);
  const found = unified(a, b, [...places.map((place) => [place, place] as const), [rank - 1, rank - 2]]);
  if (found === undefined) return false;
  const outer = found.a.axes.slice(0, -2);
  const [rows = [], inside = []] = found.a.axes.slice(-2);
  const [, columns = []] = found.b.axes.slice(-2);
  const isSame = outer.every((axis, place) => sameAxis(axis, found.b.axes[place] ?? []));
  if (!isSame || !sameAxis(inside, found.b.axes.at(-2) ?? []) || !outer.some(hasBatch)) return false;
  const parts = { outer: outer.flat().filter(({ extent }) => extent !== "N"), rows, inside, columns };
  const { columns: made, ...product } = productOfValues(context, found.a, found.b, parts);
  return declare(context, { ...product, axes: [...outer, rows, made] });
};

export const products: readonly (readonly [opType: string, rule: ArrangedRule])[] = [
  ["Gemm", gemm],
  ["MatMul", matMul],
];
