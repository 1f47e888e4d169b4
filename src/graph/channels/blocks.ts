/**
 * The channel rules of the ops that make blocks of pixels channels, or channels blocks of pixels. All channels that
 * belong to one channel of the large image are coupled.
 */
import type { BlockAttributes } from "../attributes.ts";
import { type ChannelContext, type ChannelRule, channelsOf, indices } from "./rule.ts";

/** The channel of the large image that channel `deep` of the small image belongs to. */
function flatChannel({ block, mode }: BlockAttributes, deep: number, flat: number): number {
  return mode === "DCR" ? deep % flat : Math.floor(deep / block ** 2);
}

/** The channels of the small image that belong to channel `flat` of the large one, ascending. */
function deepChannels({ block, mode }: BlockAttributes, flat: number, count: number): readonly number[] {
  return indices(block ** 2).map((place) => (mode === "DCR" ? place * count + flat : flat * block ** 2 + place));
}

type Belonging = (deep: number) => number;

function belonging({ attributes }: ChannelContext<"depth_to_space" | "space_to_depth">, flat: number): Belonging {
  return (deep) => flatChannel(attributes, deep, flat);
}

export const depthToSpace: ChannelRule<"depth_to_space"> = {
  couple: (context, join) => {
    const of = belonging(context, channelsOf(context.dstShape));
    for (let index = 0; index < channelsOf(context.shapes[0]); index++) {
      join({ slot: "dst", axis: 1, index: of(index) }, { slot: 0, axis: 1, index });
    }
  },
  constants: ({ attributes, dstShape }, [src = new Float64Array()]) => {
    return (channel) => {
      const [first = 0, ...others] = deepChannels(attributes, channel, channelsOf(dstShape));
      const constant = src[first] ?? Number.NaN;
      return others.every((other) => src[other] === constant) ? constant : Number.NaN;
    };
  },
  reach: (context) => {
    const of = belonging(context, channelsOf(context.dstShape));
    return (channel) => [of(channel)];
  },
  demands: (context, dst) => {
    const of = belonging(context, channelsOf(context.dstShape));
    return [Uint8Array.from({ length: channelsOf(context.shapes[0]) }, (_, deep) => dst[of(deep)] ?? 0)];
  },
  narrow: ({ attributes }) => ({ attributes, slots: [0] }),
  bypass: ({ attributes: { block } }) => (block === 1 ? { slot: 0 } : undefined),
};

export const spaceToDepth: ChannelRule<"space_to_depth"> = {
  couple: (context, join) => {
    const of = belonging(context, channelsOf(context.shapes[0]));
    for (let index = 0; index < channelsOf(context.dstShape); index++) {
      join({ slot: "dst", axis: 1, index }, { slot: 0, axis: 1, index: of(index) });
    }
  },
  constants: (context, [src = new Float64Array()]) => {
    const of = belonging(context, channelsOf(context.shapes[0]));
    return (channel) => src[of(channel)] ?? Number.NaN;
  },
  reach: ({ attributes, shapes: [shape] }) => {
    return (channel) => deepChannels(attributes, channel, channelsOf(shape));
  },
  demands: (context, dst) => {
    const of = belonging(context, channelsOf(context.shapes[0]));
    const mask = new Uint8Array(channelsOf(context.shapes[0]));
    for (const [channel, isOn] of dst.entries()) if (isOn === 1) mask[of(channel)] = 1;
    return [mask];
  },
  narrow: ({ attributes }) => ({ attributes, slots: [0] }),
  bypass: ({ attributes: { block } }) => (block === 1 ? { slot: 0 } : undefined),
};
