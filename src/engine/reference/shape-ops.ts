/** Ops that only move elements: concatenation, flatten, pad, slice, and the gradients of flatten and slice. */
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

/** Row-major order stays, so the elements do too: flatten and its gradient. */
export function copy(context: KernelContext<"flatten"> | KernelContext<"flatten_backward">): void {
  output(context, 0).data.set(input(context, 0).data);
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
