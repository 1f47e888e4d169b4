/**
 * The channel rules of all forward ops, as one total table. Placing factors and pruning both use it. For each op a rule
 * says which channels and rows of parameters are coupled, which outputs are constant, which inputs an output depends
 * on, what the node becomes without some channels, and when it can be removed. See `channels/rule.ts`.
 */
import { InternalError } from "../core/errors.ts";
import { binary } from "./channels/binary.ts";
import { depthToSpace, spaceToDepth } from "./channels/blocks.ts";
import { softmax, transpose } from "./channels/cross-channel.ts";
import { lookup } from "./channels/lookup.ts";
import { matmul } from "./channels/matmul.ts";
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
  prelu,
  relu,
  resampling,
  scale,
  upsampling,
} from "./channels/pointwise.ts";
import { reshape } from "./channels/reshape.ts";
import { concatenation, flatten, gather, pad, slice } from "./channels/routing.ts";
import type { ChannelRule } from "./channels/rule.ts";
import { localResponseNormalization, normalization, reduction } from "./channels/statistics.ts";
import { convolution, deconvolution, linear } from "./channels/weights.ts";
import type { Node } from "./graph.ts";
import type { ForwardOpName } from "./ops.ts";

const rules: { readonly [K in ForwardOpName]: ChannelRule<K> } = {
  convolution,
  deconvolution,
  batch_normalization: batchNormalization,
  relu,
  clip,
  activation,
  softmax,
  add,
  multiply,
  binary,
  matmul,
  reduction,
  normalization,
  local_response_normalization: localResponseNormalization,
  prelu,
  gain,
  bias,
  concatenation,
  max_pooling: maxPooling,
  average_pooling: averagePooling,
  global_average_pooling: globalAveragePooling,
  linear,
  lookup,
  flatten,
  upsampling,
  resampling,
  reshape,
  gather,
  depth_to_space: depthToSpace,
  space_to_depth: spaceToDepth,
  transpose,
  pad,
  slice,
  scale,
};

/** The channel rule of a node. Throws an `InternalError` for ops that only training graphs have. */
export function channelRule(node: Node): ChannelRule<ForwardOpName> {
  if (!Object.hasOwn(rules, node.op)) throw new InternalError(`"${node.op}" has no channel rule`, { about: node.name });
  // The key is the node's own op; TypeScript cannot follow the correlation through the union.
  return rules[node.op as ForwardOpName] as ChannelRule<ForwardOpName>;
}
