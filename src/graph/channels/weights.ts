/**
 * The channel rules of the ops that mix channels: convolution (plain, grouped, depthwise, transposed) and linear.
 *
 * Here a linear layer is a convolution with one group over one pixel. In a plain convolution, each src channel is
 * coupled to its column of the weights, and each dst channel to its row. In a grouped convolution, all src channels,
 * dst channels and rows of a group are coupled, because the groups must stay equal in size. In a depthwise convolution
 * a group is one channel.
 */
import type { Tensor } from "../../core/tensor.ts";
import { addsZeros } from "../windows.ts";
import {
  type ChannelContext,
  type ChannelEnd,
  type ChannelRule,
  type ConstantAt,
  channelsOf,
  constantOf,
  indices,
  type ReachOf,
} from "./rule.ts";

type LayerName = "convolution" | "deconvolution" | "linear";

/** The extents of a layer's weights `[outputs, inputs, …taps]`. `inputs` are the src channels of one group. */
interface Extents {
  readonly outputs: number;
  readonly inputs: number;
  readonly groups: number;
}

function extentsOf({ shapes }: ChannelContext<LayerName>): Extents {
  const [outputs = 0, inputs = 0] = shapes[1] ?? [];
  return { outputs, inputs, groups: inputs === 0 ? 1 : channelsOf(shapes[0]) / inputs };
}

/** The inputs that each output reads, and the sum of the weights over all taps. */
interface WeightSummary {
  readonly inputs: number;
  /**
   * By (output, input): 1 if any tap is not zero. Undefined if the weights are unknown: every output reads all inputs.
   */
  readonly reads: Uint8Array | undefined;
  /** By (output, input): the sum over the taps. Undefined if the weights are unknown: every sum counts as 1. */
  readonly sums: Float64Array | undefined;
}

function summarise(weights: Tensor | undefined, { outputs, inputs }: Extents): WeightSummary {
  if (weights === undefined) return { inputs, reads: undefined, sums: undefined };
  const reads = new Uint8Array(outputs * inputs);
  const sums = new Float64Array(outputs * inputs);
  const taps = weights.data.length / Math.max(1, outputs * inputs);
  for (let pair = 0; pair < reads.length; pair++) {
    let sum = 0;
    for (let tap = pair * taps; tap < (pair + 1) * taps; tap++) {
      const value = weights.data[tap] ?? 0;
      if (value !== 0) reads[pair] = 1;
      sum += value;
    }
    sums[pair] = sum;
  }
  return { inputs, reads, sums };
}

/** A cache of summaries, because analyses need the summary of one tensor many times. */
const summaries = new WeakMap<Tensor, WeightSummary>();

function summaryOf(context: ChannelContext<LayerName>, extents: Extents): WeightSummary {
  const weights = context.parameter(1);
  if (weights === undefined) return summarise(undefined, extents);
  const known = summaries.get(weights);
  if (known !== undefined) return known;
  const summary = summarise(weights, extents);
  summaries.set(weights, summary);
  return summary;
}

function couple(context: ChannelContext<LayerName>, join: (a: ChannelEnd, b: ChannelEnd) => void): void {
  const { outputs, inputs, groups } = extentsOf(context);
  for (let output = 0; output < outputs; output++) {
    const dst: ChannelEnd = { slot: "dst", axis: 1, index: output };
    join(dst, { slot: 1, axis: 0, index: output });
    if (context.shapes.length > 2) join(dst, { slot: 2, axis: 0, index: output });
    if (groups > 1) join(dst, { slot: 0, axis: 1, index: Math.floor((output * groups) / outputs) * inputs });
  }
  for (let channel = 0; channel < inputs * groups; channel++) {
    const src: ChannelEnd = { slot: 0, axis: 1, index: channel };
    if (groups === 1) join(src, { slot: 1, axis: 1, index: channel });
    else join(src, { slot: 0, axis: 1, index: Math.floor(channel / inputs) * inputs });
  }
}

/** bias + Σ constant·weights, if all inputs are constant. With padding, the inputs have to be zero. */
function constants(context: ChannelContext<LayerName>, src: Float64Array | undefined, isPadded: boolean): ConstantAt {
  const extents = extentsOf(context);
  const { outputs, inputs, groups } = extents;
  const { reads, sums } = summaryOf(context, extents);
  const bias = context.parameter(2)?.data;
  // An unknown bias counts as a constant that is not zero.
  const unknownBias = context.shapes.length > 2 && bias === undefined ? 1 : 0;
  const biasOf = (output: number): number => bias?.[output] ?? unknownBias;
  const groupOf = (output: number): number => Math.floor((output * groups) / outputs);
  const at = (group: number, input: number): number => src?.[group * inputs + input] ?? Number.NaN;
  if (reads === undefined) {
    // All outputs of a group read the same inputs.
    const sumOf = cached((group): number => {
      let sum = 0;
      for (let input = 0; input < inputs; input++) {
        const value = at(group, input);
        if (Number.isNaN(value) || (isPadded && value !== 0)) return Number.NaN;
        sum += value;
      }
      return sum;
    });
    return (output) => constantOf(biasOf(output) + sumOf(groupOf(output)));
  }
  const nonzeroOf = cached((group) => indices(inputs).filter((input) => at(group, input) !== 0));
  return (output) => {
    const group = groupOf(output);
    let value = biasOf(output);
    for (const input of nonzeroOf(group)) {
      const pair = output * inputs + input;
      if (reads[pair] === 0) continue;
      if (isPadded) return Number.NaN;
      value += at(group, input) * (sums?.[pair] ?? 1);
      if (Number.isNaN(value)) return Number.NaN;
    }
    return constantOf(value);
  };
}

/** `compute` with a cache: it runs once for each group. */
function cached<T>(compute: (group: number) => T): (group: number) => T {
  const known = new Map<number, T>();
  return (group) => {
    const found = known.get(group);
    if (found !== undefined) return found;
    const value = compute(group);
    known.set(group, value);
    return value;
  };
}

/** Every output of a group may depend on each of its inputs. */
function reach(context: ChannelContext<LayerName>): ReachOf {
  const { outputs, inputs, groups } = extentsOf(context);
  const size = outputs / groups;
  const outputsOf = cached((group) => indices(size).map((output) => group * size + output));
  return (channel) => outputsOf(Math.floor(channel / inputs));
}

function demands(context: ChannelContext<LayerName>, dst: Uint8Array): readonly Uint8Array[] {
  const extents = extentsOf(context);
  const { outputs, inputs, groups } = extents;
  const { reads } = summaryOf(context, extents);
  const src = new Uint8Array(inputs * groups);
  if (reads === undefined) {
    const perGroup = outputs / groups;
    return [src.map((_, channel) => hasOne(dst, Math.floor(channel / inputs) * perGroup, perGroup))];
  }
  for (let output = 0; output < outputs; output++) {
    if (dst[output] !== 1) continue;
    const first = Math.floor((output * groups) / outputs) * inputs;
    for (let input = 0; input < inputs; input++) {
      if (reads[output * inputs + input] === 1) src[first + input] = 1;
    }
  }
  return [src];
}

/** 1 if one of the `length` entries of `mask` from `start` is 1, else 0. */
function hasOne(mask: Uint8Array, start: number, length: number): number {
  const at = mask.indexOf(1, start);
  return at >= 0 && at < start + length ? 1 : 0;
}

function allSlots({ shapes }: { readonly shapes: readonly unknown[] }): readonly number[] {
  return shapes.map((_, slot) => slot);
}

/** The number of groups that have an output among `dst`. */
function livingGroups(context: ChannelContext<LayerName>, dst: readonly number[]): number {
  const { outputs, groups } = extentsOf(context);
  return Math.max(1, new Set(dst.map((output) => Math.floor((output * groups) / outputs))).size);
}

export const convolution: ChannelRule<"convolution"> = {
  couple,
  constants: (context, [src]) => constants(context, src, addsZeros(context.attributes.padding)),
  demands,
  reach,
  narrow: (context, { dst }) => ({
    attributes: { ...context.attributes, groups: livingGroups(context, dst) },
    slots: allSlots(context),
  }),
  bypass: () => undefined,
};

/** Pixels of the result read different elements of the kernel, so only an input of zero gives a constant. */
export const deconvolution: ChannelRule<"deconvolution"> = {
  couple,
  constants: (context, [src]) => constants(context, src, true),
  demands,
  reach,
  narrow: (context, { dst }) => ({
    attributes: { ...context.attributes, groups: livingGroups(context, dst) },
    slots: allSlots(context),
  }),
  bypass: () => undefined,
};

export const linear: ChannelRule<"linear"> = {
  couple,
  constants: (context, [src]) => constants(context, src, false),
  demands,
  reach,
  narrow: (context) => ({ attributes: context.attributes, slots: allSlots(context) }),
  bypass: () => undefined,
};
