/**
 * Batch normalization (Ioffe and Szegedy, ICML 2015) per channel (axis 1), in training form (statistics of this batch)
 * and in inference form (running statistics), with their gradients. m is the number of elements a channel has, x̂ the
 * normalised src: dst = scale·x̂ + shift, x̂ = (src − mean) / √(variance + ε).
 */
import type { Tensor } from "../../core/tensor.ts";
import { at, channelsOf, input, type KernelContext, output } from "./kernel.ts";

interface Statistics {
  readonly mean: Float32Array | Float64Array;
  readonly variance: Float32Array | Float64Array;
}

function normalize(
  src: Tensor,
  [scale, shift]: readonly [Float32Array, Float32Array],
  { mean, variance }: Statistics,
  epsilon: number,
  dst: Float32Array,
): void {
  const channels = channelsOf(src.shape);
  src.data.forEach((value, index) => {
    const c = channels.of(index);
    dst[index] = (at(scale, c) * (value - at(mean, c))) / Math.sqrt(at(variance, c) + epsilon) + at(shift, c);
  });
}

/** Mean and biased variance of each channel. */
export function statisticsOf(src: Tensor): { readonly mean: Float64Array; readonly variance: Float64Array } {
  const channels = channelsOf(src.shape);
  const mean = new Float64Array(channels.count);
  const variance = new Float64Array(channels.count);
  src.data.forEach((value, index) => {
    const c = channels.of(index);
    mean[c] = at(mean, c) + value / channels.size;
  });
  src.data.forEach((value, index) => {
    const c = channels.of(index);
    variance[c] = at(variance, c) + (value - at(mean, c)) ** 2 / channels.size;
  });
  return { mean, variance };
}

/** diff_shift = Σ diff_dst and diff_scale = Σ diff_dst·x̂, each over its channel; the same in both forms. */
function parameterGradients(
  src: Tensor,
  { mean, variance }: Statistics,
  epsilon: number,
  diffDst: Float32Array,
): { readonly diffScale: Float64Array; readonly diffShift: Float64Array } {
  const channels = channelsOf(src.shape);
  const diffScale = new Float64Array(channels.count);
  const diffShift = new Float64Array(channels.count);
  src.data.forEach((value, index) => {
    const c = channels.of(index);
    const normalized = (value - at(mean, c)) / Math.sqrt(at(variance, c) + epsilon);
    diffScale[c] = at(diffScale, c) + at(diffDst, index) * normalized;
    diffShift[c] = at(diffShift, c) + at(diffDst, index);
  });
  return { diffScale, diffShift };
}

export function batchNormalization(context: KernelContext<"batch_normalization">): void {
  const affine = [input(context, 1).data, input(context, 2).data] as const;
  const statistics = { mean: input(context, 3).data, variance: input(context, 4).data };
  normalize(input(context, 0), affine, statistics, context.attributes.epsilon, output(context, 0).data);
}

export function batchNormalizationTraining(context: KernelContext<"batch_normalization_training">): void {
  const src = input(context, 0);
  const affine = [input(context, 1).data, input(context, 2).data] as const;
  const statistics = statisticsOf(src);
  normalize(src, affine, statistics, context.attributes.epsilon, output(context, 0).data);
  output(context, 1).data.set(statistics.mean);
  output(context, 2).data.set(statistics.variance);
}

/**
 * Mean and variance depend on src, so with m elements a channel
 * diff_src = scale / √(variance + ε) · (diff_dst − diff_shift/m − x̂·diff_scale/m).
 */
export function batchNormalizationTrainingBackward(
  context: KernelContext<"batch_normalization_training_backward">,
): void {
  const src = input(context, 0);
  const statistics = { mean: input(context, 1).data, variance: input(context, 2).data };
  const scale = input(context, 3).data;
  const diffDst = input(context, 4).data;
  const { epsilon } = context.attributes;
  const { diffScale, diffShift } = parameterGradients(src, statistics, epsilon, diffDst);
  const channels = channelsOf(src.shape);
  const diffSrc = output(context, 0).data;
  src.data.forEach((value, index) => {
    const c = channels.of(index);
    const deviation = Math.sqrt(at(statistics.variance, c) + epsilon);
    const normalized = (value - at(statistics.mean, c)) / deviation;
    const centred = at(diffDst, index) - (at(diffShift, c) + normalized * at(diffScale, c)) / channels.size;
    diffSrc[index] = (at(scale, c) / deviation) * centred;
  });
  output(context, 1).data.set(diffScale);
  output(context, 2).data.set(diffShift);
}

/** Running statistics are constants here: diff_src = scale / √(variance + ε) · diff_dst. */
export function batchNormalizationBackward(context: KernelContext<"batch_normalization_backward">): void {
  const src = input(context, 0);
  const scale = input(context, 1).data;
  const statistics = { mean: input(context, 2).data, variance: input(context, 3).data };
  const diffDst = input(context, 4).data;
  const { epsilon } = context.attributes;
  const { diffScale, diffShift } = parameterGradients(src, statistics, epsilon, diffDst);
  const channels = channelsOf(src.shape);
  const diffSrc = output(context, 0).data;
  diffDst.forEach((value, index) => {
    const c = channels.of(index);
    diffSrc[index] = (at(scale, c) / Math.sqrt(at(statistics.variance, c) + epsilon)) * value;
  });
  output(context, 1).data.set(diffScale);
  output(context, 2).data.set(diffShift);
}
