/**
 * The channel rule of sums, quotients, maxima and so on of two operands, one of which may be broadcast or a parameter.
 * Each channel of the result is coupled to that of every operand that has all channels.
 */
import { elementCount, type Shape } from "../../core/tensor.ts";
import { binaryFunctions } from "../binary-functions.ts";
import { type ChannelContext, type ChannelRule, channelsOf, constantOf, everyChannel, indices } from "./rule.ts";

type Context = ChannelContext<"binary">;

/** Whether the second operand is a parameter: it has no batch axis, so its first axis has the channels. */
function hasParameter({ shapes: [a = [], b = []] }: Context): boolean {
  return b.length < a.length;
}

function channelAxis(context: Context, slot: number): 0 | 1 {
  return slot === 1 && hasParameter(context) ? 0 : 1;
}

/** Whether the operand in `slot` has all channels of the result; else it has one, for all of them. */
function hasChannels(context: Context, slot: number): boolean {
  return (context.shapes[slot]?.[channelAxis(context, slot)] ?? 0) === channelsOf(context.dstShape);
}

/** Maps a channel of the result to the channel of the operand in `slot` that it is computed from. */
function places(context: Context, slot: number): (channel: number) => number {
  return hasChannels(context, slot) ? (channel) => channel : () => 0;
}

/** The constants of the operands' channels. A parameter whose values are not known counts as `unknown`. */
function operands(context: Context, src: readonly Float64Array[], unknown: number): readonly Float64Array[] {
  const [a = new Float64Array(), b = new Float64Array()] = src;
  if (!hasParameter(context)) return [a, b];
  const shape: Shape = context.shapes[1] ?? [];
  const values = context.parameter(1)?.data;
  const size = elementCount(shape.slice(1));
  return [
    a,
    Float64Array.from({ length: shape[0] ?? 1 }, (_, channel) => {
      if (values === undefined) return unknown;
      const own = values.subarray(channel * size, (channel + 1) * size);
      const [first = Number.NaN] = own;
      return own.every((value) => value === first) ? first : Number.NaN;
    }),
  ];
}

/** The operand values that leave the other operand as it is: those of a, and those of b. */
const neutral = {
  add: [0, 0],
  subtract: [undefined, 0],
  multiply: [1, 1],
  divide: [undefined, 1],
  maximum: [undefined, undefined],
  minimum: [undefined, undefined],
} as const;

export const binary: ChannelRule<"binary"> = {
  couple: (context, join) => {
    for (const slot of [0, 1]) {
      if (!hasChannels(context, slot)) continue;
      const axis = channelAxis(context, slot);
      for (const index of indices(channelsOf(context.dstShape))) {
        join({ slot: "dst", axis: 1, index }, { slot, axis, index });
      }
    }
  },
  constants: (context, src) => {
    const [a, b] = operands(context, src, 1);
    const [inA, inB] = [places(context, 0), places(context, 1)];
    const { function: name } = context.attributes;
    const apply = binaryFunctions[name];
    return (channel) => {
      const left = a?.[inA(channel)] ?? Number.NaN;
      const right = b?.[inB(channel)] ?? Number.NaN;
      // A network whose divisor is zero has no answers to keep.
      if (left === 0 && (name === "multiply" || name === "divide")) return 0;
      if (right === 0 && name === "multiply") return 0;
      return constantOf(apply(left, right));
    };
  },
  reach: (context, slot) => {
    if (hasChannels(context, slot)) return (channel) => [channel];
    const all = indices(channelsOf(context.dstShape));
    return () => all;
  },
  demands: (context, dst) =>
    context.shapes.slice(0, hasParameter(context) ? 1 : 2).map((shape, slot) => {
      const mask = new Uint8Array(channelsOf(shape));
      const place = places(context, slot);
      for (const [channel, isOn] of dst.entries()) if (isOn === 1) mask[place(channel)] = 1;
      return mask;
    }),
  narrow: ({ attributes, shapes }) => ({ attributes, slots: [...shapes.keys()] }),
  bypass: (context, src, dst) => {
    const constants = operands(context, src, Number.NaN);
    const unchanged = neutral[context.attributes.function];
    for (const [slot, other] of [
      [0, 1],
      [1, 0],
    ] as const) {
      if (slot === 1 && hasParameter(context)) continue;
      const isWhole = context.shapes[slot]?.every((extent, axis) => extent === context.dstShape[axis]);
      const place = places(context, other);
      const isNeutral = (channel: number): boolean => constants[other]?.[place(channel)] === unchanged[other];
      if (isWhole === true && unchanged[other] !== undefined && everyChannel(dst, isNeutral)) return { slot };
    }
    return undefined;
  },
};
