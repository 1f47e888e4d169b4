/** Nodes that compute slope · x + offset for each channel, such as batch norms, as these numbers. */
import type { Node, Weights } from "../graph/graph.ts";

/** One number for each channel. */
export interface PerChannel {
  readonly slope: Float64Array;
  readonly offset: Float64Array;
}

/**
 * What `node` does to each of its `channels`; undefined if it does something else, or if a parameter has no values in
 * `weights`.
 */
export function perChannelOf(node: Node, weights: Weights, channels: number): PerChannel | undefined {
  const parameters = node.inputs.slice(1).map((name) => weights.get(name)?.data);
  if (parameters.includes(undefined)) return undefined;
  const value = (index: number, channel: number): number => parameters[index]?.[channel] ?? 0;
  const make = (slope: (channel: number) => number, offset: (channel: number) => number): PerChannel => ({
    slope: Float64Array.from({ length: channels }, (_, channel) => slope(channel)),
    offset: Float64Array.from({ length: channels }, (_, channel) => offset(channel)),
  });
  switch (node.op) {
    case "batch_normalization": {
      const { epsilon } = node.attributes;
      const slope = (channel: number): number => value(0, channel) / Math.sqrt(value(3, channel) + epsilon);
      return make(slope, (channel) => value(1, channel) - value(2, channel) * slope(channel));
    }
    case "gain":
      return make(
        (channel) => value(0, channel),
        () => 0,
      );
    case "bias":
      return make(
        () => 1,
        (channel) => value(0, channel),
      );
    case "scale": {
      const { axis, first } = node.attributes;
      if (axis !== 1) return undefined;
      const factors = parameters[0]?.length ?? 1;
      const place = (channel: number): number =>
        first === undefined ? Math.floor((channel * factors) / channels) : first + channel;
      return make(
        (channel) => value(0, place(channel)),
        () => 0,
      );
    }
    case "activation": {
      const { attributes } = node;
      if (attributes.function !== "linear" && attributes.function !== "hard_sigmoid") return undefined;
      return make(
        () => attributes.slope,
        () => attributes.offset,
      );
    }
    default:
      return undefined;
  }
}
