/** The loss against a teacher's outputs: the loss, its gradients and the agreement in one kernel. */
import type { TaughtTerm } from "../../graph/ops.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/** Loss and agreement of one output, summed over the batch. */
interface Part {
  readonly loss: number;
  readonly agreeing: number;
}

/**
 * The sum over the outputs of their losses. `agreeing` is the mean over the outputs of the number of rows that agree:
 * for logits the answers that are the same, for others N times the explained part of the variance.
 */
export function taughtLoss(context: KernelContext<"taught_loss">): void {
  const { outputs, share = 1 } = context.attributes;
  let loss = 0;
  let agreeing = 0;
  for (const [index, part] of outputs.entries()) {
    const own = input(context, index);
    const taught = input(context, outputs.length + index);
    const diff = output(context, 1 + index);
    const batch = extent(own.shape, 0);
    const scale = (part.weight * share) / batch;
    const channels = extent(own.shape, 1);
    const result = lossOf(part, own.data, taught.data, diff.data, { batch, channels, scale });
    loss += result.loss;
    agreeing += result.agreeing;
  }
  output(context, 0).data[0] = loss;
  output(context, outputs.length + 1).data[0] = agreeing / outputs.length;
}

interface Sizes {
  readonly batch: number;
  /** Extent of axis 1. */
  readonly channels: number;
  /** Weight of the output, its share of the batch included. */
  readonly scale: number;
}

function lossOf(part: TaughtTerm, own: Float32Array, taught: Float32Array, diff: Float32Array, sizes: Sizes): Part {
  switch (part.kind) {
    case "logits":
      return divergence(own, taught, diff, { ...sizes, temperature: part.temperature });
    case "values":
      return squares(own, taught, diff, { ...sizes, variance: part.variance });
    case "channels":
      return squaresByChannel(own, taught, diff, { ...sizes, ...part });
  }
}

interface Squares extends Sizes {
  readonly variance: number;
}

/** Σ over the rows of the mean of (y − t)² / variance. */
function squares(own: Float32Array, taught: Float32Array, diff: Float32Array, options: Squares): Part {
  const { batch, scale, variance } = options;
  const columns = own.length / batch;
  let sum = 0;
  for (let index = 0; index < own.length; index++) {
    const gap = at(own, index) - at(taught, index);
    sum += gap * gap;
    diff[index] = (2 * scale * gap) / (columns * variance);
  }
  const relative = sum / (columns * variance);
  return { loss: scale * relative, agreeing: Math.max(0, batch - relative) };
}

interface SquaresByChannel extends Sizes {
  readonly variances: readonly number[];
  readonly hasChannelsLast?: true;
}

/** The same, with a variance for each channel. */
function squaresByChannel(
  own: Float32Array,
  taught: Float32Array,
  diff: Float32Array,
  { batch, scale, variances, hasChannelsLast }: SquaresByChannel,
): Part {
  const columns = own.length / batch;
  const count = variances.length;
  const positions = columns / count;
  const factors = Float64Array.from(variances, (variance) => 1 / (columns * variance));
  let relative = 0;
  for (let row = 0; row < batch; row++) {
    for (let index = 0; index < columns; index++) {
      const channel = hasChannelsLast === true ? index % count : Math.floor(index / positions);
      const place = row * columns + index;
      const gap = at(own, place) - at(taught, place);
      const factor = at(factors, channel);
      relative += gap * gap * factor;
      diff[place] = 2 * scale * gap * factor;
    }
  }
  return { loss: scale * relative, agreeing: Math.max(0, batch - relative) };
}

interface Divergence extends Sizes {
  readonly temperature: number;
}

/** T² · KL(softmax(t / T) ‖ softmax(y / T)) over axis 1, mean over the positions of a row, summed over the rows. */
function divergence(own: Float32Array, taught: Float32Array, diff: Float32Array, options: Divergence): Part {
  const { batch, channels, scale, temperature } = options;
  const positions = own.length / (batch * channels);
  const [ours, theirs] = [new Float64Array(channels), new Float64Array(channels)];
  let loss = 0;
  let same = 0;
  for (let row = 0; row < batch; row++) {
    for (let position = 0; position < positions; position++) {
      const from = row * channels * positions + position;
      logarithms(own, from, positions, temperature, ours);
      logarithms(taught, from, positions, temperature, theirs);
      let sum = 0;
      for (let channel = 0; channel < channels; channel++) {
        const target = Math.exp(at(theirs, channel));
        sum += target * (at(theirs, channel) - at(ours, channel));
        const slope = temperature * (Math.exp(at(ours, channel)) - target);
        diff[from + channel * positions] = (scale * slope) / positions;
      }
      loss += temperature ** 2 * sum;
      if (largest(ours) === largest(theirs)) same++;
    }
  }
  return { loss: (scale * loss) / positions, agreeing: same / positions };
}

/** log softmax(values / T) into `result`. */
function logarithms(values: Float32Array, from: number, step: number, temperature: number, result: Float64Array): void {
  let most = Number.NEGATIVE_INFINITY;
  for (let channel = 0; channel < result.length; channel++) {
    const value = at(values, from + channel * step) / temperature;
    result[channel] = value;
    // Unlike a comparison, it hands on what is not a number.
    most = Math.max(most, value);
  }
  let sum = 0;
  for (const value of result) sum += Math.exp(value - most);
  const logSum = Math.log(sum) + most;
  for (let channel = 0; channel < result.length; channel++) result[channel] = at(result, channel) - logSum;
}

function largest(values: Float64Array): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) if (at(values, index) > at(values, best)) best = index;
  return best;
}
