/**
 * Max, average and global average pooling with their gradients. The windows of forward and backward are enumerated by
 * the same function.
 */
import { required } from "../../core/errors.ts";
import { elementCount, type Shape } from "../../core/tensor.ts";
import type { MaxPoolingAttributes } from "../../graph/attributes.ts";
import { PIXELS_FROM, type WindowAxis, windowAxes } from "../../graph/windows.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/** An axis of pixels: `size` of them in src, `count` in dst. */
interface Axis extends WindowAxis {
  readonly size: number;
  readonly kernel: number;
  readonly count: number;
}

function axesOf(src: Shape, dst: Shape, attributes: MaxPoolingAttributes): readonly Axis[] {
  return windowAxes(attributes).map((axis, index): Axis => {
    const at = PIXELS_FROM + index;
    const kernel = required(attributes.kernel[index], "extent of a kernel");
    return { ...axis, size: extent(src, at), kernel, count: extent(dst, at) };
  });
}

/** Visits every place of dst along `axes`, in row-major order. */
function forEachPlace(axes: readonly Axis[], visit: (place: readonly number[]) => void): void {
  const walk = (index: number, before: readonly number[]): void => {
    const axis = axes[index];
    if (axis === undefined) visit(before);
    else for (let at = 0; at < axis.count; at++) walk(index + 1, [...before, at]);
  };
  walk(0, []);
}

/** The pixels of src that the window at `place` contains, as indices into one channel in row-major order. */
function pixelsIn(axes: readonly Axis[], place: readonly number[]): readonly number[] {
  let found: readonly number[] = [0];
  for (const [index, { stride, dilation, before, size, kernel }] of axes.entries()) {
    const first = (place[index] ?? 0) * stride - before;
    const inside: number[] = [];
    for (let at = first; at < Math.min(first + kernel * dilation, size); at += dilation) if (at >= 0) inside.push(at);
    found = found.flatMap((start) => inside.map((at) => start * size + at));
  }
  return found;
}

/**
 * Visits every window: the dst element, and the src elements of the window that lie in the image, in row-major order.
 */
function forEachWindow(
  srcShape: Shape,
  dstShape: Shape,
  attributes: MaxPoolingAttributes,
  visit: (dst: number, window: readonly number[]) => void,
): void {
  const axes = axesOf(srcShape, dstShape, attributes);
  const windows: (readonly number[])[] = [];
  forEachPlace(axes, (place) => windows.push(pixelsIn(axes, place)));
  const planes = extent(srcShape, 0) * extent(srcShape, 1);
  const pixels = elementCount(srcShape.slice(PIXELS_FROM));
  for (let plane = 0; plane < planes; plane++) {
    for (const [index, window] of windows.entries()) {
      visit(
        plane * windows.length + index,
        window.map((pixel) => plane * pixels + pixel),
      );
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
  attributes: KernelContext<"average_pooling">["attributes"],
  srcShape: Shape,
  dstShape: Shape,
): (dst: number, window: readonly number[]) => number {
  const { kernel, countIncludePad, overhang } = attributes;
  if (!countIncludePad) return (_, window) => window.length;
  if (overhang === undefined) return () => elementCount(kernel);
  const axes = axesOf(srcShape, dstShape, attributes);
  const counts: number[] = [];
  forEachPlace(axes, (place) => {
    const counted = axes.map(({ stride, before, after, size, kernel: own }, index) => {
      const first = (place[index] ?? 0) * stride - before;
      return Math.min(first + own, size + after - (overhang[index] ?? 0)) - first;
    });
    counts.push(elementCount(counted));
  });
  return (dst) => required(counts[dst % counts.length], "divisor of a window");
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
