/**
 * The channel rules of the ops that need all channels of their input: softmax, and a transpose that moves the channels
 * to another axis.
 */
import type { ForwardOpName } from "../ops.ts";
import {
  type ChannelContext,
  type ChannelEnd,
  type ChannelRule,
  channelsOf,
  constantOf,
  indices,
  type ReachOf,
} from "./rule.ts";

type Join = (a: ChannelEnd, b: ChannelEnd) => void;

/** Couples all channels of the input with each other, and all channels of the output with each other. */
function coupleAll<K extends ForwardOpName>({ shapes: [shape], dstShape }: ChannelContext<K>, join: Join): void {
  for (const [slot, channels] of [
    [0, channelsOf(shape)],
    ["dst", channelsOf(dstShape)],
  ] as const) {
    for (let index = 1; index < channels; index++) join({ slot, axis: 1, index: 0 }, { slot, axis: 1, index });
  }
}

function reachAll<K extends ForwardOpName>({ dstShape }: ChannelContext<K>, _slot: number): ReachOf {
  const all = indices(channelsOf(dstShape));
  return () => all;
}

function demandAll<K extends ForwardOpName>(
  { shapes: [shape] }: ChannelContext<K>,
  dst: Uint8Array,
): readonly Uint8Array[] {
  return [new Uint8Array(channelsOf(shape)).fill(dst.includes(1) ? 1 : 0)];
}

function isOverChannels({ attributes: { axis = 1 } }: ChannelContext<"softmax">): boolean {
  return axis === 1;
}

/**
 * A channel at zero still adds e⁰ to the sum, so no channel can be pruned alone. Over another axis, each channel is for
 * itself.
 */
export const softmax: ChannelRule<"softmax"> = {
  couple: (context, join) => {
    if (!isOverChannels(context)) {
      for (const index of indices(channelsOf(context.dstShape))) {
        join({ slot: "dst", axis: 1, index }, { slot: 0, axis: 1, index });
      }
      return;
    }
    coupleAll(context, join);
    if (channelsOf(context.dstShape) > 0) join({ slot: "dst", axis: 1, index: 0 }, { slot: 0, axis: 1, index: 0 });
  },
  constants: (context, [src = new Float64Array()]) => {
    const { attributes, dstShape } = context;
    const { isLogarithm, axis = 1 } = attributes;
    if (!isOverChannels(context)) {
      const extent = dstShape[axis] ?? 1;
      const share = isLogarithm === true ? -Math.log(extent) : 1 / extent;
      return (channel) => (Number.isNaN(src[channel] ?? Number.NaN) ? Number.NaN : share);
    }
    if (channelsOf(dstShape) === 1) return () => (isLogarithm === true ? 0 : 1);
    const largest = Math.max(...src);
    const powers = src.map((value) => Math.exp(value - largest));
    const sum = powers.reduce((partial, power) => partial + power, 0);
    return (channel) =>
      constantOf(
        isLogarithm === true
          ? (src[channel] ?? Number.NaN) - largest - Math.log(sum)
          : (powers[channel] ?? Number.NaN) / sum,
      );
  },
  reach: (context, slot) => (isOverChannels(context) ? reachAll(context, slot) : (channel) => [channel]),
  demands: (context, dst) => (isOverChannels(context) ? demandAll(context, dst) : [dst]),
  narrow: ({ attributes }) => ({ attributes, slots: [0] }),
  bypass: () => undefined,
};

/** The constant of outputs that may have any number of the input. */
function constantOfAll(src: Float64Array): () => number {
  const [first = Number.NaN] = src;
  const constant = src.every((value) => value === first) ? first : Number.NaN;
  return () => constant;
}

/** Whether the channels stay on axis 1. */
function keepsChannels({ attributes: { permutation } }: ChannelContext<"transpose">): boolean {
  return permutation[1] === 1;
}

export const transpose: ChannelRule<"transpose"> = {
  couple: (context, join) => {
    if (!keepsChannels(context)) {
      coupleAll(context, join);
      return;
    }
    for (let index = 0; index < channelsOf(context.dstShape); index++) {
      join({ slot: "dst", axis: 1, index }, { slot: 0, axis: 1, index });
    }
  },
  constants: (context, [src = new Float64Array()]) => {
    if (keepsChannels(context)) return (channel) => src[channel] ?? Number.NaN;
    return constantOfAll(src);
  },
  reach: (context, slot) => (keepsChannels(context) ? (channel) => [channel] : reachAll(context, slot)),
  demands: (context, dst) => (keepsChannels(context) ? [dst] : demandAll(context, dst)),
  narrow: ({ attributes }) => ({ attributes, slots: [0] }),
  bypass: ({ attributes: { permutation } }) =>
    permutation.every((axis, index) => axis === index) ? { slot: 0 } : undefined,
};
