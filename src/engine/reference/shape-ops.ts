/**
 * Ops that only move elements: concatenation, flatten, transpose, pad, slice, and the gradients of flatten and slice.
 */
import { rowMajorStrides, type Shape } from "../../core/tensor.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

export function concatenation(context: KernelContext<"concatenation">): void {
  const dst = output(context, 0);
  const batch = extent(dst.shape, 0);
  let write = 0;
  for (let n = 0; n < batch; n++) {
    for (let index = 0; index < context.inputs.length; index++) {
      const src = input(context, index).data;
      const size = src.length / batch;
      dst.data.set(src.subarray(n * size, (n + 1) * size), write);
      write += size;
    }
  }
}

/** In row-major order the elements stay where they are. */
export function flatten(context: KernelContext<"flatten">): void {
  const src = input(context, 0);
  const dst = output(context, 0).data;
  if (context.attributes.channelsLast !== true) {
    dst.set(src.data);
    return;
  }
  forEachOfPermuted(src.shape, channelsLast(src.shape.length), (from, to) => {
    dst[to] = at(src.data, from);
  });
}

export function flattenBackward(context: KernelContext<"flatten_backward">): void {
  const diffDst = input(context, 0).data;
  const diffSrc = output(context, 0);
  if (context.attributes.channelsLast !== true) {
    diffSrc.data.set(diffDst);
    return;
  }
  forEachOfPermuted(diffSrc.shape, channelsLast(diffSrc.shape.length), (to, from) => {
    diffSrc.data[to] = at(diffDst, from);
  });
}

/** Axes of an image [N,C,…] in the order [N,…,C]. */
function channelsLast(rank: number): readonly number[] {
  return Array.from({ length: rank }, (_, axis) => (axis === 0 ? 0 : axis === rank - 1 ? 1 : axis + 1));
}

export function transpose(context: KernelContext<"transpose">): void {
  const src = input(context, 0);
  const dst = output(context, 0).data;
  forEachOfPermuted(src.shape, context.attributes.permutation, (from, to) => {
    dst[to] = at(src.data, from);
  });
}

/** Visits every element of an array of shape `src`, and where it lies once axis i is axis permutation[i]. */
function forEachOfPermuted(
  src: Shape,
  permutation: readonly number[],
  visit: (srcIndex: number, dstIndex: number) => void,
): void {
  const srcStrides = rowMajorStrides(src);
  const shape = permutation.map((axis) => extent(src, axis));
  const strides = permutation.map((axis) => extent(srcStrides, axis));
  const walk = (axis: number, from: number, to: number): void => {
    if (axis === shape.length) {
      visit(from, to);
      return;
    }
    const count = extent(shape, axis);
    for (let i = 0; i < count; i++) walk(axis + 1, from + i * extent(strides, axis), to * count + i);
  };
  walk(0, 0, 0);
}

/**
 * Visits every element of an array of shape `part` that was taken out of one of shape `whole`: index i of an axis of
 * `part` is index start + i·step of `whole`.
 */
function forEachTaken(
  whole: Shape,
  part: Shape,
  starts: readonly number[],
  steps: readonly number[],
  visit: (wholeIndex: number, partIndex: number) => void,
): void {
  const wholeStrides = rowMajorStrides(whole);
  const partStrides = rowMajorStrides(part);
  const walk = (axis: number, wholeIndex: number, partIndex: number): void => {
    if (axis === part.length) {
      visit(wholeIndex, partIndex);
      return;
    }
    for (let i = 0; i < extent(part, axis); i++) {
      const position = extent(starts, axis) + i * extent(steps, axis);
      walk(axis + 1, wholeIndex + position * extent(wholeStrides, axis), partIndex + i * extent(partStrides, axis));
    }
  };
  walk(0, 0, 0);
}

export function pad(context: KernelContext<"pad">): void {
  const src = input(context, 0);
  const dst = output(context, 0);
  const { before } = context.attributes;
  dst.data.fill(0);
  const steps = before.map(() => 1);
  forEachTaken(dst.shape, src.shape, before, steps, (to, from) => {
    dst.data[to] = at(src.data, from);
  });
}

export function slice(context: KernelContext<"slice">): void {
  const src = input(context, 0);
  const dst = output(context, 0);
  const { starts, steps } = context.attributes;
  forEachTaken(src.shape, dst.shape, starts, steps, (from, to) => {
    dst.data[to] = at(src.data, from);
  });
}

export function sliceBackward(context: KernelContext<"slice_backward">): void {
  const diffDst = input(context, 0);
  const diffSrc = output(context, 0);
  const { starts, steps } = context.attributes;
  diffSrc.data.fill(0);
  forEachTaken(diffSrc.shape, diffDst.shape, starts, steps, (to, from) => {
    diffSrc.data[to] = at(diffDst.data, from);
  });
}
