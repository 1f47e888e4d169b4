/** How many inputs a node may have: one too many would be passed over by its kernel without a word. */
import type { ForwardOpName, OpName } from "../ops.ts";

const anyNumber = Number.POSITIVE_INFINITY;

const most: { readonly [K in ForwardOpName]: number } = {
  convolution: 3,
  deconvolution: 3,
  batch_normalization: 5,
  relu: 1,
  clip: 1,
  activation: 1,
  softmax: 1,
  add: 2,
  multiply: 2,
  binary: 2,
  matmul: 2,
  reduction: 1,
  normalization: 1,
  local_response_normalization: 1,
  prelu: 2,
  gain: 2,
  bias: 2,
  concatenation: anyNumber,
  max_pooling: 1,
  average_pooling: 1,
  global_average_pooling: 1,
  linear: 3,
  lookup: 2,
  flatten: 1,
  upsampling: 1,
  resampling: 1,
  reshape: 1,
  gather: 1,
  depth_to_space: 1,
  space_to_depth: 1,
  transpose: 1,
  pad: 1,
  slice: 1,
  scale: 2,
};

/** The inputs that a node of a network may have; ops of training alone are built by this package. */
export function mostInputs(op: OpName): number {
  return Object.hasOwn(most, op) ? most[op as ForwardOpName] : anyNumber;
}
