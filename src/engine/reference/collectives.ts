/**
 * Sums over ranks, and the batch normalization whose statistics are those of all ranks' samples. With M elements a
 * channel over all ranks, x̂ normalised by the common statistics and the sums taken over all ranks, diff_src = scale /
 * √(variance + ε) · (diff_dst − Σdiff_dst/M − x̂·Σ(diff_dst·x̂)/M); the first term comes from the gradient with
 * statistics held constant, the others are the correction.
 */
import { invariant } from "../../core/errors.ts";
import { collectives } from "../../distributed/collectives.ts";
import { at, channelsOf, input, type KernelContext, output } from "./kernel.ts";
import { statisticsOf } from "./normalization.ts";

export function allReduceBegin(context: KernelContext<"all_reduce_begin">): void {
  const { inputs, attributes } = context;
  const values = inputs.map((_, index) => input(context, index).data);
  const count = values.reduce((sum, { length }) => sum + length, 0);
  const packed = new Float32Array(new ArrayBuffer(count * Float32Array.BYTES_PER_ELEMENT));
  let offset = 0;
  for (const [index, data] of values.entries()) {
    packed.set(data, offset);
    output(context, index).data.set(data);
    offset += data.length;
  }
  collectives().begin(attributes.bucket, packed, count);
}

export function allReduceEnd(context: KernelContext<"all_reduce_end">): void {
  const packed = collectives().end(context.attributes.bucket);
  invariant(packed instanceof Float32Array, "the sum was begun by this engine");
  let offset = 0;
  for (const { data } of context.outputs) {
    data.set(packed.subarray(offset, offset + data.length));
    offset += data.length;
  }
}

export function batchStatistics(context: KernelContext<"batch_statistics">): void {
  const { mean, variance } = statisticsOf(input(context, 0));
  output(context, 0).data.set(mean);
  output(context, 1).data.set(variance);
}

/** E[x] and E[x²] are summed in 64 bits, where the difference that is the variance loses nothing that matters. */
export function allReduceStatistics(context: KernelContext<"all_reduce_statistics">): void {
  const [mean, variance] = [input(context, 0).data, input(context, 1).data];
  const channels = mean.length;
  // The last one counts the ranks.
  const sums = new Float64Array(new ArrayBuffer((2 * channels + 1) * Float64Array.BYTES_PER_ELEMENT));
  for (let c = 0; c < channels; c++) {
    sums[c] = at(mean, c);
    sums[channels + c] = at(variance, c) + at(mean, c) ** 2;
  }
  sums[2 * channels] = 1;
  collectives().sum(sums);
  const ranks = at(sums, 2 * channels);
  for (let c = 0; c < channels; c++) {
    const common = at(sums, c) / ranks;
    output(context, 0).data[c] = common;
    output(context, 1).data[c] = Math.max(0, at(sums, channels + c) / ranks - common ** 2);
  }
}

export function batchNormalizationCorrection(context: KernelContext<"batch_normalization_correction">): void {
  const src = input(context, 0);
  const channels = channelsOf(src.shape);
  const { scale, shift } = correctionTerms(context, channels.size);
  const [mean, variance] = [input(context, 1).data, input(context, 2).data];
  const partial = input(context, 4).data;
  const diffSrc = output(context, 0).data;
  src.data.forEach((value, index) => {
    const c = channels.of(index);
    const normalized = (value - at(mean, c)) / Math.sqrt(at(variance, c) + context.attributes.epsilon);
    diffSrc[index] = at(partial, index) + at(scale, c) * normalized + at(shift, c);
  });
}

/**
 * The correction as a normalization of src by the common statistics: its scale and shift. `size`: elements a channel
 * has here.
 */
export function correctionTerms(
  context: Pick<KernelContext<"batch_normalization_correction">, "inputs" | "attributes">,
  size: number,
): { readonly scale: Float32Array; readonly shift: Float32Array } {
  const { epsilon, ranks } = context.attributes;
  const [variance, weight] = [input(context, 2).data, input(context, 3).data];
  const [diffScale, diffShift] = [input(context, 5).data, input(context, 6).data];
  const rate = variance.map((value, c) => -at(weight, c) / (Math.sqrt(value + epsilon) * size * ranks));
  return {
    scale: rate.map((value, c) => value * at(diffScale, c)),
    shift: rate.map((value, c) => value * at(diffShift, c)),
  };
}
