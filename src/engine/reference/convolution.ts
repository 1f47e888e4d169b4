/**
 * Convolution and its two gradients. All three are one walk over the same triples (src element, weights element, dst
 * element) that are multiplied and added, so they are transposes of each other by construction:
 * dst += src·weights, diff_src += diff_dst·weights, diff_weights += src·diff_dst.
 */
import type { Shape } from "../../core/tensor.ts";
import type { ConvolutionAttributes } from "../../graph/attributes.ts";
import { at, channelsOf, extent, input, type KernelContext, optionalInput, output } from "./kernel.ts";

/**
 * Visits every run of taps along a row. For `i` in 0 … `count` − 1, weights element `weight` meets src element
 * `src + i·stride` (stride: horizontal) and dst element `dst + i`. Taps in the padding are left out: they add zero.
 */
function forEachRow(
  srcShape: Shape,
  weightsShape: Shape,
  dstShape: Shape,
  { strides, padding, dilation, groups }: ConvolutionAttributes,
  visit: (weight: number, src: number, dst: number, count: number) => void,
): void {
  const [channels, height, width] = [extent(srcShape, 1), extent(srcShape, 2), extent(srcShape, 3)];
  const [perGroup, kernelHeight, kernelWidth] = [
    extent(weightsShape, 1),
    extent(weightsShape, 2),
    extent(weightsShape, 3),
  ];
  const [batch, outputs, rows, columns] = [
    extent(dstShape, 0),
    extent(dstShape, 1),
    extent(dstShape, 2),
    extent(dstShape, 3),
  ];
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outputs; o++) {
      const firstChannel = Math.floor((o * groups) / outputs) * perGroup;
      for (let c = 0; c < perGroup; c++) {
        for (let k = 0; k < kernelHeight; k++) {
          for (let l = 0; l < kernelWidth; l++) {
            const weight = ((o * perGroup + c) * kernelHeight + k) * kernelWidth + l;
            // Tap l of output column x reads column x·stride + shift; `from` … `to` − 1 are the x for which it exists.
            const shift = l * dilation[1] - padding.left;
            const from = Math.max(0, Math.ceil(-shift / strides[1]));
            const to = Math.min(columns, Math.floor((width - 1 - shift) / strides[1]) + 1);
            if (from >= to) continue;
            for (let y = 0; y < rows; y++) {
              const row = y * strides[0] + k * dilation[0] - padding.top;
              if (row < 0 || row >= height) continue;
              const src = ((n * channels + firstChannel + c) * height + row) * width + from * strides[1] + shift;
              const dst = ((n * outputs + o) * rows + y) * columns + from;
              visit(weight, src, dst, to - from);
            }
          }
        }
      }
    }
  }
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
  const stride = context.attributes.strides[1];
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
  const stride = context.attributes.strides[1];
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
  const stride = context.attributes.strides[1];
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
