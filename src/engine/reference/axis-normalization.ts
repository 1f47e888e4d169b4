/**
 * The ops that normalise an image by numbers of its own: `normalization` (instance, group and layer norm) and local
 * response normalization, and their gradients.
 */
import { elementCount, type Shape } from "../../core/tensor.ts";
import type { LocalResponseNormalizationAttributes, NormalizationAttributes } from "../../graph/attributes.ts";
import { placesIn } from "./broadcast.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

interface Parts {
  /** For each element: the number of the part that it is normalised with. */
  readonly of: Int32Array;
  readonly count: number;
  /** Elements of a part. */
  readonly size: number;
}

/** Groups are an axis of their own: [N,C,…] is seen as [N,G,C/G,…]. */
function partsOf(shape: Shape, { axes, groups = 1 }: NormalizationAttributes): Parts {
  const seen = [extent(shape, 0), groups, extent(shape, 1) / groups, ...shape.slice(2)];
  const part = seen.map((size, axis) => (axis > 1 && axes.includes(axis - 1) ? 1 : size));
  const count = elementCount(part);
  return { of: placesIn(part, seen), count, size: elementCount(shape) / count };
}

function meansOf(values: Float32Array | Float64Array, { of, count, size }: Parts): Float64Array {
  const means = new Float64Array(count);
  values.forEach((value, index) => {
    means[at(of, index)] = at(means, at(of, index)) + value / size;
  });
  return means;
}

/** Src less the mean of its part, divided by its standard deviation; and that deviation, by part. */
function normalised(
  src: Float32Array,
  parts: Parts,
  epsilon: number,
): { readonly values: Float64Array; readonly deviations: Float64Array } {
  const means = meansOf(src, parts);
  const values = Float64Array.from(src, (value, index) => value - at(means, at(parts.of, index)));
  const variances = meansOf(
    values.map((value) => value * value),
    parts,
  );
  const deviations = variances.map((variance) => Math.sqrt(variance + epsilon));
  return { values: values.map((value, index) => value / at(deviations, at(parts.of, index))), deviations };
}

export function normalization(context: KernelContext<"normalization">): void {
  const src = input(context, 0);
  const parts = partsOf(src.shape, context.attributes);
  output(context, 0).data.set(normalised(src.data, parts, context.attributes.epsilon).values);
}

/** diff_src = (d − mean(d) − x̂ · mean(d · x̂)) / deviation, with d = diff_dst, x̂ = dst, and means over the part. */
export function normalizationBackward(context: KernelContext<"normalization_backward">): void {
  const src = input(context, 0);
  const diffDst = input(context, 1).data;
  const diffSrc = output(context, 0).data;
  const parts = partsOf(src.shape, context.attributes);
  const { values, deviations } = normalised(src.data, parts, context.attributes.epsilon);
  const means = meansOf(diffDst, parts);
  const products = meansOf(
    values.map((value, index) => value * at(diffDst, index)),
    parts,
  );
  values.forEach((value, index) => {
    const part = at(parts.of, index);
    diffSrc[index] = (at(diffDst, index) - at(means, part) - value * at(products, part)) / at(deviations, part);
  });
}

/** For each element: the sum over its pixel's channels from `before` channels before its own to `after` behind it. */
function sumsOfNeighbours(terms: Float64Array, shape: Shape, before: number, after: number): Float64Array {
  const channels = extent(shape, 1);
  const pixels = elementCount(shape.slice(2));
  return terms.map((_, index) => {
    const channel = Math.floor(index / pixels) % channels;
    const [first, last] = [Math.max(0, channel - before), Math.min(channels - 1, channel + after)];
    let sum = 0;
    for (let one = first; one <= last; one++) sum += at(terms, index + (one - channel) * pixels);
    return sum;
  });
}

/** bias + alpha/size · Σ x² over the channels around each one. */
function scalesOf(
  src: Float32Array,
  shape: Shape,
  { size, alpha, bias }: LocalResponseNormalizationAttributes,
): Float64Array {
  const squares = Float64Array.from(src, (value) => value * value);
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  return sumsOfNeighbours(squares, shape, before, after).map((sum) => bias + (alpha / size) * sum);
}

export function localResponseNormalization(context: KernelContext<"local_response_normalization">): void {
  const { shape, data: src } = input(context, 0);
  const { beta } = context.attributes;
  const dst = output(context, 0).data;
  scalesOf(src, shape, context.attributes).forEach((scale, index) => {
    dst[index] = at(src, index) * scale ** -beta;
  });
}

/**
 * With the scale s, and a sum over all c whose window has j:
 * diff_src_j = d_j · s_j^−β − 2αβ/size · x_j · Σ d_c · x_c · s_c^(−β−1).
 */
export function localResponseNormalizationBackward(
  context: KernelContext<"local_response_normalization_backward">,
): void {
  const { shape, data: src } = input(context, 0);
  const diffDst = input(context, 1).data;
  const { size, alpha, beta } = context.attributes;
  const diffSrc = output(context, 0).data;
  const scales = scalesOf(src, shape, context.attributes);
  const terms = scales.map((scale, index) => at(diffDst, index) * at(src, index) * scale ** (-beta - 1));
  const sums = sumsOfNeighbours(terms, shape, Math.ceil((size - 1) / 2), Math.floor((size - 1) / 2));
  scales.forEach((scale, index) => {
    const through = ((2 * alpha * beta) / size) * at(src, index) * at(sums, index);
    diffSrc[index] = at(diffDst, index) * scale ** -beta - through;
  });
}
