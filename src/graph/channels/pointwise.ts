/** The channel rules of the ops in which channel c of the output depends only on channel c of the inputs. */
import { elementCount } from "../../core/tensor.ts";
import { activationFunction } from "../activations.ts";
import type { Padding } from "../attributes.ts";
import type { ForwardOpName } from "../ops.ts";
import { addsZeros } from "../windows.ts";
import { type ChannelContext, type ChannelRule, channelsOf, constantOf, everyChannel } from "./rule.ts";

type Constant = (channel: number, ...src: number[]) => number;

interface PerChannel<K extends ForwardOpName> {
  /** The number of input activations; default 1. The other inputs are parameters `[C]`, coupled to the channels. */
  readonly activations?: number;
  /** For a node: a function from a channel and its input constants to its output constant. */
  constant(context: ChannelContext<K>): Constant;
  /** For a node: whether a channel of the output depends on the input. Default: it does. */
  reads?(context: ChannelContext<K>): (channel: number) => boolean;
  readonly bypass?: ChannelRule<K>["bypass"];
}

function perChannel<K extends ForwardOpName>({
  activations = 1,
  constant,
  reads,
  bypass = () => undefined,
}: PerChannel<K>): ChannelRule<K> {
  return {
    couple: ({ shapes, dstShape }, join) => {
      for (let index = 0; index < channelsOf(dstShape); index++) {
        for (const [slot, shape] of shapes.entries()) {
          // One number for all channels belongs to none of them.
          if (slot >= activations && (shape[0] ?? 0) !== channelsOf(dstShape)) continue;
          join({ slot: "dst", axis: 1, index }, { slot, axis: slot < activations ? 1 : 0, index });
        }
      }
    },
    constants: (context, src) => {
      const value = constant(context);
      const [a, b] = src;
      return (channel) => constantOf(value(channel, a?.[channel] ?? Number.NaN, b?.[channel] ?? Number.NaN));
    },
    reach: () => (channel) => [channel],
    demands: (context, dst) => {
      const isRead = reads?.(context);
      const src = isRead === undefined ? dst : dst.map((isOn, channel) => (isOn === 1 && isRead(channel) ? 1 : 0));
      return Array.from({ length: activations }, () => src);
    },
    narrow: ({ attributes, shapes }) => ({ attributes, slots: shapes.map((_, slot) => slot) }),
    bypass,
  };
}

/** By channel: the value of parameter `slot`, or `unknown` if it is not known. */
function parameterOf<K extends ForwardOpName>(
  context: ChannelContext<K>,
  slot: number,
  unknown = 1,
): (channel: number) => number {
  const data = context.parameter(slot)?.data;
  return (channel) => data?.[channel] ?? unknown;
}

/** The constant of a window that may contain zero padding: it stays constant only if it is zero. */
function overZeros(padding: Padding): Constant {
  const hasZeros = addsZeros(padding);
  return (_, src = Number.NaN) => (hasZeros && src !== 0 ? Number.NaN : src);
}

const same: Constant = (_, src = Number.NaN) => src;

export const relu: ChannelRule<"relu"> = perChannel({
  constant:
    () =>
    (_, src = Number.NaN) =>
      Math.max(0, src),
});

export const clip: ChannelRule<"clip"> = perChannel({
  constant:
    ({ attributes: { minimum, maximum } }) =>
    (_, src = Number.NaN) =>
      Math.min(maximum, Math.max(minimum, src)),
});

export const activation: ChannelRule<"activation"> = perChannel({
  constant: ({ attributes }) => {
    const apply = activationFunction(attributes);
    return (_, src = Number.NaN) => apply(src);
  },
});

export const prelu: ChannelRule<"prelu"> = perChannel({
  constant: (context) => {
    const slope = parameterOf(context, 1);
    const isShared = (context.shapes[1]?.[0] ?? 0) === 1;
    return (channel, src = Number.NaN) => (src > 0 ? src : src * slope(isShared ? 0 : channel));
  },
});

export const gain: ChannelRule<"gain"> = perChannel({
  constant: (context) => {
    const factor = parameterOf(context, 1);
    return (channel, src = Number.NaN) => (factor(channel) === 0 ? 0 : src * factor(channel));
  },
  reads: (context) => {
    const factor = parameterOf(context, 1);
    return (channel) => factor(channel) !== 0;
  },
  bypass: (context, _, dst) => {
    const factor = parameterOf(context, 1, Number.NaN);
    return everyChannel(dst, (channel) => factor(channel) === 1) ? { slot: 0 } : undefined;
  },
});

export const batchNormalization: ChannelRule<"batch_normalization"> = perChannel({
  constant: (context) => {
    const [scale, shift] = [parameterOf(context, 1), parameterOf(context, 2)];
    const [mean, variance] = [parameterOf(context, 3, 0), parameterOf(context, 4)];
    return (channel, src = Number.NaN) => {
      if (scale(channel) === 0) return shift(channel);
      const deviation = Math.sqrt(variance(channel) + context.attributes.epsilon);
      return ((src - mean(channel)) / deviation) * scale(channel) + shift(channel);
    };
  },
  reads: (context) => {
    const scale = parameterOf(context, 1);
    return (channel) => scale(channel) !== 0;
  },
});

export const bias: ChannelRule<"bias"> = perChannel({
  constant: (context) => {
    const added = parameterOf(context, 1);
    return (channel, src = Number.NaN) => src + added(channel);
  },
  bypass: (context, _, dst) => {
    const added = parameterOf(context, 1);
    return everyChannel(dst, (channel) => added(channel) === 0) ? { slot: 0 } : undefined;
  },
});

export const add: ChannelRule<"add"> = perChannel({
  activations: 2,
  constant:
    () =>
    (_, a = Number.NaN, b = Number.NaN) =>
      a + b,
  bypass: (_, src, dst) => {
    const [a = new Float64Array(), b = new Float64Array()] = src;
    for (const [operand, slot] of [
      [b, 0],
      [a, 1],
    ] as const) {
      if (everyChannel(dst, (channel) => operand[channel] === 0)) return { slot };
    }
    for (const [operand, slot] of [
      [b, 0],
      [a, 1],
    ] as const) {
      if (everyChannel(dst, (channel) => !Number.isNaN(operand[channel]))) {
        return { slot, constant: operand.map((value, channel) => (dst[channel] === 1 ? value : 0)) };
      }
    }
    return undefined;
  },
});

/**
 * Padding of −∞ is never the maximum, and every window contains a pixel (`shapes.ts`), so a constant stays the same.
 */
export const maxPooling: ChannelRule<"max_pooling"> = perChannel({ constant: () => same });

export const averagePooling: ChannelRule<"average_pooling"> = perChannel({
  constant: ({ attributes: { padding, countIncludePad } }) => (countIncludePad ? overZeros(padding) : same),
});

export const upsampling: ChannelRule<"upsampling"> = perChannel({ constant: () => same });

/** The shares of the pixels that a pixel is made of sum to 1. */
export const resampling: ChannelRule<"resampling"> = perChannel({ constant: () => same });

export const globalAveragePooling: ChannelRule<"global_average_pooling"> = perChannel({ constant: () => same });

/** Maps a channel to the index of its factor, for C channels along the axis and F factors; see the `scale` op. */
function factorIndices({ attributes: { axis, first }, shapes, dstShape }: ChannelContext<"scale">): Places {
  if (first !== undefined) return (channel) => first + channel;
  const [channels, factors] = [dstShape[axis] ?? 0, elementCount(shapes[1] ?? [])];
  return (channel) => Math.floor((channel * factors) / channels);
}

type Places = (channel: number) => number;

const scaleValues = perChannel<"scale">({
  constant: (context) => {
    const factor = factorOf(context);
    return (channel, src = Number.NaN) => (factor(channel) === 0 ? 0 : src * factor(channel));
  },
  reads: (context) => {
    const factor = factorOf(context);
    return (channel) => factor(channel) !== 0;
  },
  bypass: (context, _, dst) => {
    if (context.parameter(1) === undefined) return undefined;
    const factor = factorOf(context);
    return everyChannel(dst, (channel) => factor(channel) === 1) ? { slot: 0 } : undefined;
  },
});

function factorOf(context: ChannelContext<"scale">): (channel: number) => number {
  const place = factorIndices(context);
  const data = context.parameter(1)?.data;
  return (channel) => data?.[place(channel)] ?? 1;
}

/**
 * A channel lives with its own factor, or the channels of a group with theirs; one factor for all channels couples
 * nothing and is never cut. On axis 0 the op scales a parameter, of which only the coupling of rows is known.
 */
export const scale: ChannelRule<"scale"> = {
  ...scaleValues,
  couple: (context, join) => {
    const { shapes, dstShape } = context;
    const { axis } = context.attributes;
    const place = factorIndices(context);
    const factors = elementCount(shapes[1] ?? []);
    const extent = dstShape[axis] ?? 0;
    for (let index = 0; index < extent; index++) {
      join({ slot: "dst", axis, index }, { slot: 0, axis, index });
      if (factors > 1) join({ slot: "dst", axis, index }, { slot: 1, axis: 0, index: place(index) });
    }
    for (let index = 0; axis === 0 && index < channelsOf(dstShape); index++) {
      join({ slot: "dst", axis: 1, index }, { slot: 0, axis: 1, index });
    }
  },
  narrow: ({ attributes, shapes }, { rows, dst }) => {
    const slots = [...shapes.keys()];
    const { axis, first } = attributes;
    if (first === undefined) return { attributes, slots };
    const factors = rows(1);
    const own = axis === 0 ? rows(0).length : dst.length;
    const before = factors.filter((index) => index < first).length;
    return { attributes: factors.length === own ? { axis } : { axis, first: before }, slots };
  },
};
