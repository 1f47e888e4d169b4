/**
 * Reads a concatenation of arranged values, and the constants among them, such as the class token of a transformer. A
 * concatenation along another axis than the channels is a sum of values that are padded with zeros.
 */
import { elementCount, tensor } from "../../../core/tensor.ts";
import { aligned, broadcastIndex } from "../folding/broadcast.ts";
import { type Constant, rearranged } from "../folding/constant.ts";
import { frontAxis } from "../folding/movement.ts";
import { isBatchSize } from "../folding/scalar.ts";
import type { NodeReader } from "../node-reader.ts";
import { type Arrangement, type Axis, axisOf, batch, dimsOf, extentOf, sameAxis, unified } from "./arrangement.ts";
import { type Arranger, permutedIndex } from "./arranger.ts";
import { padded } from "./movement.ts";
import { type ArrangedContext, type ArrangedRule, declare, hasBatch, isolated } from "./rule.ts";

/** Notes a constant that the file repeats for each image; returns whether the node does that. */
export function readRepeated(node: NodeReader, arranger: Arranger): boolean {
  const { reader } = arranger;
  if (node.opType !== "Expand" || node.inputs.length !== 2) return false;
  const [stored, asked] = [reader.constant(node.input(0)), reader.constant(node.input(1))];
  const [first, ...rest] = asked?.values ?? [];
  if (stored === undefined || asked === undefined || !isBatchSize(first)) return false;
  const dims = rest.map((size) => (typeof size === "number" ? size : Number.NaN));
  const own = aligned(stored.dims, dims.length + 1);
  if (own.length !== dims.length + 1 || own[0] !== 1 || dims.some(Number.isNaN)) return false;
  const whole = dims.map((size, axis) => Math.max(size, own[axis + 1] ?? 1));
  const isSame = elementCount(whole) === elementCount(own);
  const to = [1, ...whole];
  const constant: Constant = isSame ? { ...stored, dims: to } : rearranged(stored, to, broadcastIndex(own, to));
  arranger.declareRepeated(node.outputs[0] ?? "", reader.declareNew(`${node.name}.repeated`, constant));
  return true;
}

/** One of the operands: a value, or a constant that is the same for each image. */
type Operand = { readonly arrangement: Arrangement } | ConstantOperand;

interface ConstantOperand {
  readonly constant: string;
  /** Whether the file repeats it for each image; else it has as many as the file fixes. */
  readonly isRepeated: boolean;
}

function operandOf({ arranger, reader }: ArrangedContext, input: string): Operand {
  const repeated = arranger.repeated(input);
  if (repeated !== undefined) return { constant: repeated, isRepeated: true };
  return reader.isConstant(input) ? { constant: input, isRepeated: false } : { arrangement: arranger.of(input) };
}

/** `constant` as a value with the axes of `like`, of which that at `place` has the constant's extent. */
function asValue(
  { node, reader }: ArrangedContext,
  { constant, isRepeated }: ConstantOperand,
  like: Arrangement,
  at: number,
  place: number,
): Arrangement {
  const stored = reader.constant(constant);
  const own = dimsOf(like.axes);
  const dims = aligned(stored?.dims ?? [], own.length);
  const fits = dims.every((size, axis) => axis === place || size === (axis === 0 ? dims[0] : own[axis]));
  const images = dims[0] ?? 1;
  node.check(
    stored?.values instanceof Float32Array &&
      fits &&
      images === (isRepeated ? 1 : reader.fixedBatch) &&
      sameAxis(like.axes[0] ?? [], [batch]),
    "joins a constant that is not the same for each image",
  );
  const size = elementCount(dims) / images;
  const values = Float32Array.from(stored?.values.slice(0, size) ?? [], Number);
  const rows = stored?.values ?? [];
  node.check(
    rows.every((value, index) => value === values[index % size]),
    "joins a constant that is not the same for each image",
  );
  const made = axisOf(dims[place] ?? 1);
  const axes = like.axes.with(place, made);
  const inner = like.inner.with(at, made);
  const from = axes.slice(1).flat();
  const index = permutedIndex(from, inner.flat());
  const dimsOfValue = dimsOf(inner);
  const data = Float32Array.from({ length: size }, (_, to) => values[index(to)] ?? 0);
  const isOfChannels = (at !== 0 || dimsOfValue[0] === 1) && dimsOfValue.slice(1).every((extent) => extent === 1);
  const shape = isOfChannels ? dimsOfValue.slice(0, 1) : dimsOfValue;
  const parameter = reader.derived(node, constant, "token", tensor(shape, data));
  // Any numbers of the image, times zero: only their number counts.
  const starts = [0, ...inner.map(() => 0)];
  const ends: readonly (number | "N")[] = ["N" as const, ...dimsOf(like.inner)].with(at + 1, 1);
  const attributes = { starts, ends, steps: starts.map(() => 1) };
  const one = reader.add(node, "slice", [like.source], attributes, { part: "any" });
  const zero = { function: "linear", slope: 0, offset: 0 } as const;
  const zeros = reader.add(node, "activation", [one], zero, { part: "zeros" });
  const step = { part: "constant" };
  const source = isOfChannels
    ? reader.add(node, "bias", [zeros, parameter], {}, step)
    : reader.add(node, "binary", [zeros, parameter], { function: "add" }, step);
  return { source, inner, axes };
}

export const concat: ArrangedRule = (context) => {
  const { node, reader, arranger } = context;
  const operands = node.inputs.map((input) => operandOf(context, input));
  const first = operands.find((operand) => "arrangement" in operand);
  if (first === undefined || !("arrangement" in first)) return false;
  const place = frontAxis(node, node.int("axis"), first.arrangement.axes.length);
  const axis = first.arrangement.axes[place] ?? [];
  if (hasBatch(axis)) return false;
  const inner = isolated(first.arrangement.inner, axis);
  let like = arranger.ordered(node, first.arrangement, inner);
  const at = like.inner.findLastIndex((own) => sameAxis(own, axis));
  const along = like.axes.flatMap((_, each) => (each === place ? [] : [[each, each] as const]));
  const parts: Arrangement[] = [];
  for (const operand of operands) {
    if ("constant" in operand) {
      parts.push(asValue(context, operand, like, at, place));
      continue;
    }
    if (operand === first) {
      parts.push(like);
      continue;
    }
    const found = unified(like, operand.arrangement, along);
    if (found === undefined) return false;
    like = found.a;
    const own: Axis = found.b.axes[place] ?? [];
    parts.push(arranger.ordered(node, found.b, like.inner.with(at, own)));
  }
  const extents = parts.map((part) => extentOf(part.axes[place] ?? []));
  const total = extents.reduce((sum, extent) => sum + extent, 0);
  const made = axisOf(total);
  const result = { ...like, inner: like.inner.with(at, made), axes: like.axes.with(place, made) };
  if (at === 0) {
    const sources = parts.map(({ source }) => source);
    return declare(context, { ...result, source: reader.add(node, "concatenation", sources, {}, { part: "joined" }) });
  }
  let start = 0;
  const wide = parts.map((part, index) => {
    const before = start;
    start += extents[index] ?? 0;
    return padded(context, part, at, [before, total - start]);
  });
  const source = wide.reduce((sum, value) => reader.add(node, "add", [sum, value], {}, { part: "joined" }));
  return declare(context, { ...result, source });
};
