/** The channel rules of the ops that move channels to other indices: concatenation, flatten, gather, pad and slice. */
import { elementCount, type Shape } from "../../core/tensor.ts";
import type { ForwardOpName } from "../ops.ts";
import { type ChannelContext, type ChannelEnd, type ChannelRule, channelsOf, indices } from "./rule.ts";

/** The input channel that an output channel is; undefined if it is padding. */
type Source = { readonly slot: number; readonly channel: number } | undefined;

interface Routing<K extends ForwardOpName> {
  /** For a node: a function from an output channel to its source. */
  source(context: ChannelContext<K>): (dst: number) => Source;
  readonly reach: ChannelRule<K>["reach"];
  /** Whether the op puts zeros between the pixels of a channel. Default: it does not. */
  padsPixels?(context: ChannelContext<K>): boolean;
  readonly couple?: ChannelRule<K>["couple"];
  readonly narrow?: ChannelRule<K>["narrow"];
  readonly bypass?: ChannelRule<K>["bypass"];
}

function routing<K extends ForwardOpName>({
  source,
  reach,
  padsPixels = () => false,
  couple = () => undefined,
  narrow = ({ attributes, shapes }) => ({ attributes, slots: shapes.map((_, slot) => slot) }),
  bypass = () => undefined,
}: Routing<K>): ChannelRule<K> {
  return {
    couple: (context, join) => {
      const from = source(context);
      for (let index = 0; index < channelsOf(context.dstShape); index++) {
        const found = from(index);
        // A value of shape [N] that becomes [N,1] has no channels to join.
        if (found !== undefined && found.channel < channelsOf(context.shapes[found.slot])) {
          join({ slot: "dst", axis: 1, index }, { slot: found.slot, axis: 1, index: found.channel });
        }
      }
      couple(context, join);
    },
    constants: (context, src) => {
      const from = source(context);
      const isPadded = padsPixels(context);
      return (index) => {
        const found = from(index);
        if (found === undefined) return 0;
        const value = src[found.slot]?.[found.channel] ?? Number.NaN;
        return isPadded && value !== 0 ? Number.NaN : value;
      };
    },
    reach,
    demands: (context, dst) => {
      const from = source(context);
      const masks = context.shapes.map((shape) => new Uint8Array(channelsOf(shape)));
      for (const [index, isOn] of dst.entries()) {
        const found = isOn === 1 ? from(index) : undefined;
        const mask = found === undefined ? undefined : masks[found.slot];
        if (mask !== undefined && found !== undefined) mask[found.channel] = 1;
      }
      return masks;
    },
    narrow,
    bypass,
  };
}

/** A cache of the first channels of a concatenation's operands, because analyses need them many times. */
const knownStarts = new WeakMap<readonly Shape[], readonly number[]>();

function startsOf(shapes: readonly Shape[]): readonly number[] {
  const known = knownStarts.get(shapes);
  if (known !== undefined) return known;
  let start = 0;
  const starts = shapes.map((shape) => {
    const own = start;
    start += channelsOf(shape);
    return own;
  });
  knownStarts.set(shapes, starts);
  return starts;
}

/** The operand that contains channel `dst`: the last one that begins at or before it. */
function operandAt(starts: readonly number[], dst: number): number {
  let [low, high] = [0, starts.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? 0) <= dst) low = middle;
    else high = middle;
  }
  return low;
}

/** Operands without channels are removed. A concatenation of one operand is removed. */
export const concatenation: ChannelRule<"concatenation"> = routing({
  source: ({ shapes }) => {
    const starts = startsOf(shapes);
    return (dst) => {
      const slot = operandAt(starts, dst);
      return { slot, channel: dst - (starts[slot] ?? 0) };
    };
  },
  reach: ({ shapes }, slot) => {
    const start = startsOf(shapes)[slot] ?? 0;
    return (channel) => [start + channel];
  },
  narrow: ({ attributes, shapes }, { src }) => ({
    attributes,
    slots: [...shapes.keys()].filter((slot) => src(slot).length > 0),
  }),
  bypass: ({ shapes }) => (shapes.length === 1 ? { slot: 0 } : undefined),
});

/** Channel c of P pixels becomes features c·P … c·P + P − 1; with the channels last, features c, c + C, c + 2·C … */
export const flatten: ChannelRule<"flatten"> = routing({
  source: ({ attributes: { channelsLast }, shapes: [shape = []] }) => {
    if (channelsLast === true) return (dst) => ({ slot: 0, channel: dst % channelsOf(shape) });
    const pixels = elementCount(shape.slice(2));
    return (dst) => ({ slot: 0, channel: Math.floor(dst / pixels) });
  },
  reach: ({ attributes: { channelsLast }, shapes: [shape = []] }) => {
    const [channels, pixels] = [channelsOf(shape), elementCount(shape.slice(2))];
    if (channelsLast === true) return (channel) => indices(pixels).map((pixel) => channel + pixel * channels);
    return (channel) => indices(pixels).map((pixel) => channel * pixels + pixel);
  },
  bypass: ({ shapes: [shape = []] }) => (shape.length === 2 ? { slot: 0 } : undefined),
});

/** Channels that are taken several times are coupled. */
export const gather: ChannelRule<"gather"> = routing({
  source: ({ attributes: { order } }) => {
    return (dst) => ({ slot: 0, channel: order[dst] ?? 0 });
  },
  reach: ({ attributes: { order }, shapes: [shape] }) => {
    const readers = indices(channelsOf(shape)).map((): number[] => []);
    for (const [dst, channel] of order.entries()) readers[channel]?.push(dst);
    return (channel) => readers[channel] ?? [];
  },
  narrow: ({ attributes: { order } }, { src, dst }) => {
    const places = new Map(src(0).map((channel, place) => [channel, place]));
    return { attributes: { order: dst.map((channel) => places.get(order[channel] ?? 0) ?? 0) }, slots: [0] };
  },
  bypass: ({ attributes: { order }, shapes: [shape] }) => {
    const isWhole = order.length === channelsOf(shape) && order.every((channel, place) => channel === place);
    return isWhole ? { slot: 0 } : undefined;
  },
});

export const pad: ChannelRule<"pad"> = routing({
  source: ({ shapes: [shape], attributes: { before } }) => {
    const first = before[1] ?? 0;
    return (dst) => (dst >= first && dst < first + channelsOf(shape) ? { slot: 0, channel: dst - first } : undefined);
  },
  reach: ({ attributes: { before }, dstShape }) => {
    const first = before[1] ?? 0;
    return (channel) => within([channel + first], dstShape);
  },
  padsPixels: ({ attributes: { before, after } }) =>
    [...before.slice(2), ...after.slice(2)].some((amount) => amount > 0),
  narrow: ({ attributes, shapes: [shape] }, { dst }) => {
    const { before, after } = attributes;
    if (before.length < 2) return { attributes, slots: [0] };
    const first = before[1] ?? 0;
    const last = first + channelsOf(shape);
    return {
      attributes: {
        before: before.with(1, dst.filter((channel) => channel < first).length),
        after: after.with(1, dst.filter((channel) => channel >= last).length),
      },
      slots: [0],
    };
  },
  bypass: ({ attributes: { before, after } }) =>
    [...before, ...after].every((amount) => amount === 0) ? { slot: 0 } : undefined,
});

/** The channels of `channels` that a value of shape `shape` has. */
function within(channels: readonly number[], shape: Shape): readonly number[] {
  return channels.filter((channel) => Number.isInteger(channel) && channel >= 0 && channel < channelsOf(shape));
}

function takesAll(shape: Shape, dstShape: Shape): boolean {
  return shape.every((extent, axis) => extent === dstShape[axis]);
}

/** With a step along the channels, all src channels are coupled, because pruning one of them would break the step. */
export const slice: ChannelRule<"slice"> = routing({
  source: ({ attributes: { starts, steps } }) => {
    const [start = 0, step = 1] = [starts[1], steps[1]];
    return (dst) => ({ slot: 0, channel: start + dst * step });
  },
  reach: ({ attributes: { starts, steps }, dstShape }) => {
    const [start = 0, step = 1] = [starts[1], steps[1]];
    return (channel) => within([(channel - start) / step], dstShape);
  },
  couple: ({ attributes: { steps }, shapes: [shape] }, join) => {
    if ((steps[1] ?? 1) === 1) return;
    const first: ChannelEnd = { slot: 0, axis: 1, index: 0 };
    for (let index = 1; index < channelsOf(shape); index++) join(first, { ...first, index });
  },
  narrow: ({ attributes, shapes: [shape] }, { src }) => {
    if (attributes.starts.length < 2) return { attributes, slots: [0] };
    const bound = (limit: number): number => src(0).filter((channel) => channel < limit).length;
    const end = attributes.ends[1];
    return {
      attributes: {
        ...attributes,
        starts: attributes.starts.with(1, bound(attributes.starts[1] ?? 0)),
        ends: attributes.ends.with(1, bound(typeof end === "number" ? end : channelsOf(shape))),
      },
      slots: [0],
    };
  },
  bypass: ({ shapes: [shape = []], dstShape }) => (takesAll(shape, dstShape) ? { slot: 0 } : undefined),
});
