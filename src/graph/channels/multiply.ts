/**
 * The channel rule of a product. It couples each channel of one factor with that of the other and that of the product,
 * also if a factor is broadcast over the pixels. A factor with a single channel that is broadcast over all channels is
 * not coupled.
 */
import { type ChannelContext, type ChannelRule, channelsOf, constantOf, everyChannel, indices } from "./rule.ts";

/** Maps a channel of the product to the channel of the factor in `slot` that it reads. */
function places({ shapes, dstShape }: ChannelContext<"multiply">, slot: number): (channel: number) => number {
  return channelsOf(shapes[slot]) === channelsOf(dstShape) ? (channel) => channel : () => 0;
}

export const multiply: ChannelRule<"multiply"> = {
  couple: ({ shapes, dstShape }, join) => {
    const channels = channelsOf(dstShape);
    for (const [slot, shape] of shapes.entries()) {
      if (channelsOf(shape) !== channels) continue;
      for (let index = 0; index < channels; index++) join({ slot: "dst", axis: 1, index }, { slot, axis: 1, index });
    }
  },
  constants: (context, [a, b]) => {
    const [inA, inB] = [places(context, 0), places(context, 1)];
    return (channel) => {
      const left = a?.[inA(channel)] ?? Number.NaN;
      const right = b?.[inB(channel)] ?? Number.NaN;
      return left === 0 || right === 0 ? 0 : constantOf(left * right);
    };
  },
  reach: ({ shapes, dstShape }, slot) => {
    const channels = channelsOf(dstShape);
    if (channelsOf(shapes[slot]) === channels) return (channel) => [channel];
    const all = indices(channels);
    return () => all;
  },
  demands: (context, dst) =>
    context.shapes.map((shape, slot) => {
      const mask = new Uint8Array(channelsOf(shape));
      const place = places(context, slot);
      for (const [channel, isOn] of dst.entries()) if (isOn === 1) mask[place(channel)] = 1;
      return mask;
    }),
  narrow: ({ attributes, shapes }) => ({ attributes, slots: [...shapes.keys()] }),
  /** If one factor is 1 in all channels in use, the product is the other factor, unless that one is broadcast. */
  bypass: (context, [a, b], dst) => {
    for (const [factor, slot] of [
      [b, 0],
      [a, 1],
    ] as const) {
      const place = places(context, 1 - slot);
      const isWhole = context.shapes[slot]?.every((extent, axis) => extent === context.dstShape[axis]);
      if (isWhole === true && everyChannel(dst, (channel) => factor?.[place(channel)] === 1)) return { slot };
    }
    return undefined;
  },
};
