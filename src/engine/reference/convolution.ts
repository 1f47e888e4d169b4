/**
 * Convolution and its two gradients. All three are one walk over the same triples (src element, weights element, dst
 * element) that are multiplied and added, so they are transposes of each other by construction:
 * dst += src·weights, diff_src += diff_dst·weights, diff_weights += src·diff_dst.
 */
import { elementCount, type Shape } from "../../core/tensor.ts";
import type { ConvolutionAttributes } from "../../graph/attributes.ts";
import { PIXELS_FROM, type WindowAxis, windowAxes } from "../../graph/windows.ts";
import { at, channelsOf, extent, input, type KernelContext, optionalInput, output } from "./kernel.ts";

/**
 * Visits every run of taps along a row. For `i` in 0 … `count` − 1, weights element `weight` meets src element
 * `src + i·stride` (stride: horizontal) and dst element `dst + i`. Taps in the padding are left out: they add zero.
 */
function forEachRow(
  srcShape: Shape,
  weightsShape: Shape,
  dstShape: Shape,
  attributes: ConvolutionAttributes,
  visit: (weight: number, src: number, dst: number, count: number) => void,
): void {
  const [channels, perGroup] = [extent(srcShape, 1), extent(weightsShape, 1)];
  const [batch, outputs] = [extent(dstShape, 0), extent(dstShape, 1)];
  const [taps, pixels, results] = [weightsShape, srcShape, dstShape].map((shape) =>
    elementCount(shape.slice(PIXELS_FROM)),
  ) as [number, number, number];
  const runs = runsOf(axesOf(srcShape, weightsShape, dstShape, attributes));
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outputs; o++) {
      const firstChannel = Math.floor((o * attributes.groups) / outputs) * perGroup;
      const firstDst = (n * outputs + o) * results;
      for (let c = 0; c < perGroup; c++) {
        const firstWeight = (o * perGroup + c) * taps;
        const firstSrc = (n * channels + firstChannel + c) * pixels;
        for (const { weight, src, dst, count } of runs) {
          visit(firstWeight + weight, firstSrc + src, firstDst + dst, count);
        }
      }
    }
  }
}

/** An axis of pixels: `size` of them in src, `count` in dst. */
interface Axis extends WindowAxis {
  readonly size: number;
  readonly kernel: number;
  readonly count: number;
}

function axesOf(src: Shape, weights: Shape, dst: Shape, attributes: ConvolutionAttributes): readonly Axis[] {
  return windowAxes(attributes).map((axis, index): Axis => {
    const at = PIXELS_FROM + index;
    return { ...axis, size: extent(src, at), kernel: extent(weights, at), count: extent(dst, at) };
  });
}

/** A run of taps along a row, by indices into one channel: of a kernel, of src and of dst. */
interface Run {
  readonly weight: number;
  readonly src: number;
  readonly dst: number;
  readonly count: number;
}

/**
 * All runs of one channel. Tap k of place x of dst reads place x·stride + k·dilation − before of src, if there is one.
 * Along the last axis the places are together in one run, along the others each is a run of its own.
 */
function runsOf(axes: readonly Axis[]): readonly Run[] {
  let runs: readonly Run[] = [{ weight: 0, src: 0, dst: 0, count: 1 }];
  for (const [index, { stride, dilation, before, size, kernel, count }] of axes.entries()) {
    const isLast = index === axes.length - 1;
    runs = runs.flatMap((run) => {
      const found: Run[] = [];
      for (let tap = 0; tap < kernel; tap++) {
        const shift = tap * dilation - before;
        const from = Math.max(0, Math.ceil(-shift / stride));
        const to = Math.min(count, Math.floor((size - 1 - shift) / stride) + 1);
        for (let place = from; place < to; place += isLast ? to - from : 1) {
          found.push({
            weight: run.weight * kernel + tap,
            src: run.src * size + place * stride + shift,
            dst: run.dst * count + place,
            count: isLast ? to - from : 1,
          });
        }
      }
      return found;
    });
  }
  return runs;
}

/** The step of src from one element of a row of dst to the next. */
function rowStride({ strides }: ConvolutionAttributes): number {
  return strides.at(-1) ?? 1;
}

export function convolution(context: KernelContext<"convolution">): void {
  const src = input(context, 0);
  const weights = input(context, 1);
  const bias = optionalInput(context, 2);
  const dst = output(context, 0);
  const channels = channelsOf(dst.shape);
  const sums = new Float64Array(dst.data.length);
  if (bias !== undefined)
    sums.forEach((_, index) => {
      sums[index] = at(bias, channels.of(index));
    });
  const stride = rowStride(context.attributes);
  forEachRow(src.shape, weights.shape, dst.shape, context.attributes, (weight, from, to, count) => {
    const factor = at(weights.data, weight);
    for (let i = 0; i < count; i++) sums[to + i] = at(sums, to + i) + factor * at(src.data, from + i * stride);
  });
  dst.data.set(sums);
}

export function convolutionBackwardData(context: KernelContext<"convolution_backward_data">): void {
  const diffDst = input(context, 0);
  const weights = input(context, 1);
  const diffSrc = output(context, 0);
  const sums = new Float64Array(diffSrc.data.length);
  const stride = rowStride(context.attributes);
  forEachRow(diffSrc.shape, weights.shape, diffDst.shape, context.attributes, (weight, to, from, count) => {
    const factor = at(weights.data, weight);
    for (let i = 0; i < count; i++) {
      sums[to + i * stride] = at(sums, to + i * stride) + factor * at(diffDst.data, from + i);
    }
  });
  diffSrc.data.set(sums);
}

export function convolutionBackwardWeights(context: KernelContext<"convolution_backward_weights">): void {
  const src = input(context, 0);
  const diffDst = input(context, 1);
  const diffWeights = output(context, 0);
  const sums = new Float64Array(diffWeights.data.length);
  const stride = rowStride(context.attributes);
  forEachRow(src.shape, diffWeights.shape, diffDst.shape, context.attributes, (weight, from, other, count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += at(src.data, from + i * stride) * at(diffDst.data, other + i);
    sums[weight] = at(sums, weight) + sum;
  });
  diffWeights.data.set(sums);
  if (context.attributes.withBias) sumChannels(diffDst, output(context, 1).data);
}

/** The gradient of a per-channel bias: diff_bias[c] = Σ diff_dst over channel c (axis 1). */
export function sumChannels(
  diffDst: { readonly shape: Shape; readonly data: Float32Array },
  diffBias: Float32Array,
): void {
  const channels = channelsOf(diffDst.shape);
  const sums = new Float64Array(channels.count);
  diffDst.data.forEach((value, index) => {
    sums[channels.of(index)] = at(sums, channels.of(index)) + value;
  });
  diffBias.set(sums);
}
