/**
 * The channel rule of a reshape. A channel of the result has numbers of one or several channels of the input, next to
 * one another. Channels that share a number are coupled, so that what is left fits together again.
 */
import { elementCount, type Shape, sameShape } from "../../core/tensor.ts";
import { type ChannelContext, type ChannelRule, channelsOf } from "./rule.ts";

/** For channel c of a value: the channels of the other value that have its numbers, from the first to the last. */
type Sharing = (channel: number) => readonly number[];

function sharing(own: Shape | undefined, other: Shape | undefined): Sharing {
  const size = elementCount(own?.slice(2) ?? []);
  const otherSize = elementCount(other?.slice(2) ?? []);
  const known = new Map<number, readonly number[]>();
  return (channel) => {
    const first = Math.floor((channel * size) / otherSize);
    const last = Math.ceil(((channel + 1) * size) / otherSize) - 1;
    const found = known.get(first) ?? [];
    if (found.length === last - first + 1) return found;
    const made = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    known.set(first, made);
    return made;
  };
}

/** An image of one number has no axis of channels. */
function sourcesOf({ shapes: [shape], dstShape }: ChannelContext<"reshape">): Sharing {
  return channelsOf(shape) === 0 ? () => [] : sharing(dstShape, shape);
}

export const reshape: ChannelRule<"reshape"> = {
  couple: (context, join) => {
    const sources = sourcesOf(context);
    for (let index = 0; index < channelsOf(context.dstShape); index++) {
      for (const channel of sources(index)) {
        join({ slot: "dst", axis: 1, index }, { slot: 0, axis: 1, index: channel });
      }
    }
  },
  constants: (context, [src = new Float64Array()]) => {
    const sources = sourcesOf(context);
    return (index) => {
      const [first = -1, ...others] = sources(index);
      const constant = src[first] ?? Number.NaN;
      return others.every((other) => src[other] === constant) ? constant : Number.NaN;
    };
  },
  reach: ({ shapes: [shape], dstShape }) => sharing(shape, dstShape),
  demands: (context, dst) => {
    const sources = sourcesOf(context);
    const mask = new Uint8Array(channelsOf(context.shapes[0]));
    for (const [index, isOn] of dst.entries()) if (isOn === 1) for (const channel of sources(index)) mask[channel] = 1;
    return [mask];
  },
  narrow: ({ attributes: { shape } }, { dst }) => ({ attributes: { shape: shape.with(0, dst.length) }, slots: [0] }),
  bypass: ({ shapes: [shape = []], dstShape }) => (sameShape(shape, dstShape) ? { slot: 0 } : undefined),
};
