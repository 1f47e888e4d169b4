/**
 * Channel maps: the one total table over the forward ops that placement and cutting look things up in. Per op: which
 * channels and rows of parameters live and die together, which outputs are constant, which inputs an output depends on,
 * what is left of a node once channels are gone, and when it can be left out. See `channels/rule.ts`.
 */
import { InternalError } from "../core/errors.ts";
import { softmax, transpose } from "./channels/cross-channel.ts";
import { multiply } from "./channels/multiply.ts";
import {
  activation,
  add,
  averagePooling,
  batchNormalization,
  bias,
  clip,
  gain,
  globalAveragePooling,
  maxPooling,
  relu,
  scale,
  upsampling,
} from "./channels/pointwise.ts";
import { concatenation, flatten, pad, slice } from "./channels/routing.ts";
import type { ChannelRule } from "./channels/rule.ts";
import { convolution, linear } from "./channels/weights.ts";
import type { Node } from "./graph.ts";
import type { ForwardOpName } from "./ops.ts";

const rules: { readonly [K in ForwardOpName]: ChannelRule<K> } = {
  convolution,
  batch_normalization: batchNormalization,
  relu,
  clip,
  activation,
  softmax,
  add,
  multiply,
  gain,
  bias,
  concatenation,
  max_pooling: maxPooling,
  average_pooling: averagePooling,
  global_average_pooling: globalAveragePooling,
  linear,
  flatten,
  upsampling,
  transpose,
  pad,
  slice,
  scale,
};

/** The channel rule of a node of a forward graph; an `InternalError` for ops that only training steps have. */
export function channelRule(node: Node): ChannelRule<ForwardOpName> {
  if (!Object.hasOwn(rules, node.op)) throw new InternalError(`"${node.op}" has no channel rule`, { about: node.name });
  // Looked up by the node's own op; TypeScript cannot follow the correlation through the union.
  return rules[node.op as ForwardOpName] as ChannelRule<ForwardOpName>;
}
