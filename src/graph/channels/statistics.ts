/**
 * The channel rules of ops that compute sums, means and the like over some axes: reductions, normalizations by the mean
 * and the variance, and local response normalization.
 *
 * A reduction over the channels loses channels of zeros without an effect, because it counts how many it has lost. A
 * normalization over the channels couples those that it normalises together: a channel of zeros is not zero behind it.
 */
import { elementCount } from "../../core/tensor.ts";
import { reduced } from "../reductions.ts";
import { type ChannelContext, type ChannelEnd, type ChannelRule, channelsOf, constantOf, indices } from "./rule.ts";

type Join = (a: ChannelEnd, b: ChannelEnd) => void;

function joinWithSource(channels: number, join: Join): void {
  for (const index of indices(channels)) join({ slot: "dst", axis: 1, index }, { slot: 0, axis: 1, index });
}

/** How many numbers of one channel a result is computed from. */
function timesOf({ attributes: { axes }, shapes: [shape = []] }: ChannelContext<"reduction">): number {
  return elementCount(axes.filter((axis) => axis > 1).map((axis) => shape[axis] ?? 1));
}

export const reduction: ChannelRule<"reduction"> = {
  couple: ({ attributes: { axes }, dstShape }, join) => {
    const channels = channelsOf(dstShape);
    if (!axes.includes(1)) {
      joinWithSource(channels, join);
      return;
    }
    // What is the second axis of the result was rows or the like.
    for (let index = 1; index < channels; index++) {
      join({ slot: "dst", axis: 1, index: 0 }, { slot: "dst", axis: 1, index });
    }
  },
  constants: (context, [src = new Float64Array()]) => {
    const { function: name, axes, zeros = 0 } = context.attributes;
    const times = timesOf(context);
    if (!axes.includes(1))
      return (channel) => constantOf(reduced(name, [{ value: src[channel] ?? Number.NaN, times }]));
    const numbers = [...src].map((value) => ({ value, times }));
    const all = constantOf(reduced(name, [...numbers, { value: 0, times: zeros * times }]));
    return () => all;
  },
  reach: ({ attributes: { axes }, dstShape }) => {
    if (!axes.includes(1)) return (channel) => [channel];
    const all = indices(channelsOf(dstShape));
    return () => all;
  },
  demands: ({ attributes: { axes }, shapes: [shape] }, dst) => {
    if (!axes.includes(1)) return [dst];
    const isNeeded = dst.length === 0 || dst.includes(1);
    return [new Uint8Array(channelsOf(shape)).fill(isNeeded ? 1 : 0)];
  },
  narrow: ({ attributes, shapes: [shape] }, { src }) => {
    const lost = attributes.axes.includes(1) ? channelsOf(shape) - src(0).length : 0;
    const { zeros = 0 } = attributes;
    return { attributes: lost === 0 ? attributes : { ...attributes, zeros: zeros + lost }, slots: [0] };
  },
  bypass: () => undefined,
};

/** The number of channels that are normalised together; 1 if each is normalised by itself. */
function groupSize({ attributes: { axes, groups = 1 }, dstShape }: ChannelContext<"normalization">): number {
  return axes.includes(1) ? channelsOf(dstShape) / groups : 1;
}

/** For each channel: the channels of its group. Channels of one group have the same array. */
function groupsOf(context: ChannelContext<"normalization">): (channel: number) => readonly number[] {
  const size = groupSize(context);
  const count = channelsOf(context.dstShape) / size;
  const members = indices(count).map((group) => indices(size).map((index) => group * size + index));
  return (channel) => members[Math.floor(channel / size)] ?? [];
}

export const normalization: ChannelRule<"normalization"> = {
  couple: (context, join) => {
    const channels = channelsOf(context.dstShape);
    joinWithSource(channels, join);
    const size = groupSize(context);
    for (const index of indices(channels)) {
      join({ slot: 0, axis: 1, index: Math.floor(index / size) * size }, { slot: 0, axis: 1, index });
    }
  },
  constants: (context, [src = new Float64Array()]) => {
    const members = groupsOf(context);
    return (channel) => {
      const values = members(channel).map((one) => src[one] ?? Number.NaN);
      const mean = reduced(
        "mean",
        values.map((value) => ({ value, times: 1 })),
      );
      const variance = reduced(
        "mean",
        values.map((value) => ({ value: (value - mean) ** 2, times: 1 })),
      );
      return constantOf(((src[channel] ?? Number.NaN) - mean) / Math.sqrt(variance + context.attributes.epsilon));
    };
  },
  reach: (context) => groupsOf(context),
  demands: (context, dst) => {
    const members = groupsOf(context);
    return [dst.map((_, channel) => (members(channel).some((one) => dst[one] === 1) ? 1 : 0))];
  },
  narrow: (context, { dst }) => {
    const { attributes } = context;
    if (attributes.groups === undefined || !attributes.axes.includes(1)) return { attributes, slots: [0] };
    return { attributes: { ...attributes, groups: Math.max(1, dst.length / groupSize(context)) }, slots: [0] };
  },
  bypass: () => undefined,
};

/** A channel counts its neighbours, so pruning a channel would make others neighbours: all are coupled. */
export const localResponseNormalization: ChannelRule<"local_response_normalization"> = {
  couple: ({ dstShape }, join) => {
    const channels = channelsOf(dstShape);
    joinWithSource(channels, join);
    for (let index = 1; index < channels; index++) join({ slot: 0, axis: 1, index: 0 }, { slot: 0, axis: 1, index });
  },
  constants: ({ attributes: { size, alpha, beta, bias } }, [src = new Float64Array()]) => {
    return (channel) => {
      const own = src[channel] ?? Number.NaN;
      if (own === 0) return 0;
      const window = src.subarray(
        Math.max(0, channel - Math.floor((size - 1) / 2)),
        channel + Math.ceil((size + 1) / 2),
      );
      const sum = window.reduce((partial, value) => partial + value ** 2, 0);
      return constantOf(own / (bias + (alpha / size) * sum) ** beta);
    };
  },
  reach: ({ dstShape }) => {
    const all = indices(channelsOf(dstShape));
    return () => all;
  },
  demands: (_, dst) => [dst.map(() => (dst.includes(1) ? 1 : 0))],
  narrow: ({ attributes }) => ({ attributes, slots: [0] }),
  bypass: () => undefined,
};
