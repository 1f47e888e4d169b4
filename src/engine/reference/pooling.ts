/**
 * Max, average and global average pooling with their gradients. The windows of forward and backward are enumerated by
 * the same function.
 */
import type { Shape } from "../../core/tensor.ts";
import type { MaxPoolingAttributes } from "../../graph/attributes.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/**
 * Visits every window: the dst element, and the src elements of the window that lie in the image, in row-major order.
 */
function forEachWindow(
  srcShape: Shape,
  dstShape: Shape,
  { kernel, strides, padding, dilation = [1, 1] }: MaxPoolingAttributes,
  visit: (dst: number, window: readonly number[]) => void,
): void {
  const [planes, height, width] = [extent(srcShape, 0) * extent(srcShape, 1), extent(srcShape, 2), extent(srcShape, 3)];
  const [rows, columns] = [extent(dstShape, 2), extent(dstShape, 3)];
  for (let plane = 0; plane < planes; plane++) {
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const top = y * strides[0] - padding.top;
        const left = x * strides[1] - padding.left;
        const window: number[] = [];
        for (let row = top; row < Math.min(top + kernel[0] * dilation[0], height); row += dilation[0]) {
          for (let column = left; column < Math.min(left + kernel[1] * dilation[1], width); column += dilation[1]) {
            if (row >= 0 && column >= 0) window.push((plane * height + row) * width + column);
          }
        }
        visit((plane * rows + y) * columns + x, window);
      }
    }
  }
}

/** The element of `window` with the largest value; of equal ones the first. */
function firstMaximum(src: Float32Array, window: readonly number[]): number {
  return window.reduce((best, index) => (at(src, index) > at(src, best) ? index : best));
}

export function maxPooling(context: KernelContext<"max_pooling">): void {
  const src = input(context, 0);
  const dst = output(context, 0);
  forEachWindow(src.shape, dst.shape, context.attributes, (to, window) => {
    dst.data[to] = at(src.data, firstMaximum(src.data, window));
  });
}

export function maxPoolingBackward(context: KernelContext<"max_pooling_backward">): void {
  const src = input(context, 0);
  const diffDst = input(context, 1);
  const sums = new Float64Array(src.data.length);
  forEachWindow(src.shape, diffDst.shape, context.attributes, (from, window) => {
    const to = firstMaximum(src.data, window);
    sums[to] = at(sums, to) + at(diffDst.data, from);
  });
  output(context, 0).data.set(sums);
}

/** What the sum of each window is divided by, by element of dst. */
function divisors(
  { kernel, strides, padding, countIncludePad, overhang }: KernelContext<"average_pooling">["attributes"],
  srcShape: Shape,
  dstShape: Shape,
): (dst: number, window: readonly number[]) => number {
  if (!countIncludePad) return (_, window) => window.length;
  if (overhang === undefined) return () => kernel[0] * kernel[1];
  const [rows, columns] = [extent(dstShape, 2), extent(dstShape, 3)];
  const counted = (place: number, axis: 0 | 1, before: number, after: number): number => {
    const first = place * strides[axis] - before;
    return Math.min(first + kernel[axis], extent(srcShape, 2 + axis) + after - overhang[axis]) - first;
  };
  return (dst) =>
    counted(Math.floor(dst / columns) % rows, 0, padding.top, padding.bottom) *
    counted(dst % columns, 1, padding.left, padding.right);
}

export function averagePooling(context: KernelContext<"average_pooling">): void {
  const src = input(context, 0);
  const dst = output(context, 0);
  const divisor = divisors(context.attributes, src.shape, dst.shape);
  forEachWindow(src.shape, dst.shape, context.attributes, (to, window) => {
    const sum = window.reduce((partial, index) => partial + at(src.data, index), 0);
    dst.data[to] = sum / divisor(to, window);
  });
}

export function averagePoolingBackward(context: KernelContext<"average_pooling_backward">): void {
  const diffDst = input(context, 0);
  const diffSrc = output(context, 0);
  const sums = new Float64Array(diffSrc.data.length);
  const divisor = divisors(context.attributes, diffSrc.shape, diffDst.shape);
  forEachWindow(diffSrc.shape, diffDst.shape, context.attributes, (from, window) => {
    const share = at(diffDst.data, from) / divisor(from, window);
    for (const to of window) sums[to] = at(sums, to) + share;
  });
  diffSrc.data.set(sums);
}

export function globalAveragePooling(context: KernelContext<"global_average_pooling">): void {
  const src = input(context, 0);
  const dst = output(context, 0).data;
  const pixels = src.data.length / dst.length;
  const sums = new Float64Array(dst.length);
  src.data.forEach((value, index) => {
    const plane = Math.floor(index / pixels);
    sums[plane] = at(sums, plane) + value / pixels;
  });
  dst.set(sums);
}

export function globalAveragePoolingBackward(context: KernelContext<"global_average_pooling_backward">): void {
  const diffDst = input(context, 0).data;
  const diffSrc = output(context, 0);
  const pixels = diffSrc.data.length / diffDst.length;
  diffSrc.data.forEach((_, index) => {
    diffSrc.data[index] = at(diffDst, Math.floor(index / pixels)) / pixels;
  });
}
