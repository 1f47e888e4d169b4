/** The `reduction` op and its gradient. */
import type { Shape } from "../../core/tensor.ts";
import type { ReductionAttributes } from "../../graph/attributes.ts";
import { placesIn } from "./broadcast.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/** For each element of src: the index of the result that it is part of. */
function resultsOf(shape: Shape, { axes }: ReductionAttributes): Int32Array {
  return placesIn(
    shape.map((size, axis) => (axes.includes(axis) ? 1 : size)),
    shape,
  );
}

/** How many numbers a result is computed from, and how many of them are zeros of channels that src has no more. */
function counts(
  shape: Shape,
  { axes, zeros = 0 }: ReductionAttributes,
): { readonly all: number; readonly lost: number } {
  const own = axes.reduce((product, axis) => product * extent(shape, axis), 1);
  const lost = zeros === 0 ? 0 : (own / extent(shape, 1)) * zeros;
  return { all: own + lost, lost };
}

export function reduction(context: KernelContext<"reduction">): void {
  const { attributes } = context;
  const { shape, data: src } = input(context, 0);
  const dst = output(context, 0).data;
  const { all, lost } = counts(shape, attributes);
  const results = resultsOf(shape, attributes);
  const isLargest = attributes.function === "maximum";
  if (isLargest || attributes.function === "minimum") {
    const best = isLargest ? Math.max : Math.min;
    dst.fill(lost > 0 ? 0 : isLargest ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY);
    src.forEach((value, index) => {
      const result = at(results, index);
      dst[result] = best(at(dst, result), value);
    });
    return;
  }
  const term = { sum: (x: number) => x, mean: (x: number) => x, l1: Math.abs, l2: (x: number) => x * x };
  const of = term[attributes.function];
  const sums = new Float64Array(dst.length);
  src.forEach((value, index) => {
    const result = at(results, index);
    sums[result] = at(sums, result) + of(value);
  });
  const end = { sum: (x: number) => x, mean: (x: number) => x / all, l1: (x: number) => x, l2: Math.sqrt };
  dst.set(sums.map(end[attributes.function]));
}

/** A tie goes to the first in row-major order. The gradient of a norm of zero counts as zero. */
export function reductionBackward(context: KernelContext<"reduction_backward">): void {
  const { attributes } = context;
  const { shape, data: src } = input(context, 0);
  const [dst, diffDst] = [input(context, 1).data, input(context, 2).data];
  const diffSrc = output(context, 0).data;
  const { all } = counts(shape, attributes);
  const results = resultsOf(shape, attributes);
  const isTaken = new Uint8Array(dst.length);
  const slopes: { readonly [K in ReductionAttributes["function"]]: (value: number, result: number) => number } = {
    sum: () => 1,
    mean: () => 1 / all,
    l1: (value) => Math.sign(value),
    l2: (value, result) => (at(dst, result) === 0 ? 0 : value / at(dst, result)),
    maximum: chosen,
    minimum: chosen,
  };
  const slope = slopes[attributes.function];
  src.forEach((value, index) => {
    const result = at(results, index);
    diffSrc[index] = slope(value, result) * at(diffDst, result);
  });

  function chosen(value: number, result: number): number {
    if (value !== at(dst, result) || isTaken[result] === 1) return 0;
    isTaken[result] = 1;
    return 1;
  }
}
