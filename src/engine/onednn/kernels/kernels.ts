/** The lowering of each op, as a total table: an op without a lowering does not compile. */
import type { Node } from "../../../graph/graph.ts";
import type { OpName } from "../../../graph/ops.ts";
import type { Program } from "../planner/program.ts";
import { lowerFunction, lowerFunctionBackward } from "./activation.ts";
import {
  lowerAllReduceBegin,
  lowerAllReduceEnd,
  lowerBatchStatistics,
  lowerNormalizationCorrection,
} from "./collectives.ts";
import { lowerConvolution, lowerConvolutionBackwardData, lowerConvolutionBackwardWeights } from "./convolution.ts";
import {
  lowerDeconvolution,
  lowerDeconvolutionBackwardData,
  lowerDeconvolutionBackwardWeights,
} from "./deconvolution.ts";
import { lowerFakeQuantize, lowerFakeQuantizeBackward } from "./fake-quantization.ts";
import { lowerOrFallBack } from "./fallback.ts";
import { lowerToHost, lowerUpdate } from "./host.ts";
import { lowerLinear, lowerLinearBackwardData, lowerLinearBackwardWeights } from "./linear.ts";
import { lowerMatmul, lowerMatmulBackward } from "./matmul.ts";
import { lowerMultiplyBackward } from "./multiply.ts";
import { lowerMuon } from "./muon.ts";
import { lowerNormalization, lowerNormalizationBackward, lowerNormalizationTrainingBackward } from "./normalization.ts";
import { lowerClipFactor, lowerNesterov } from "./optimizer.ts";
import {
  lowerActivation,
  lowerActivationBackward,
  lowerAdd,
  lowerBias,
  lowerBinary,
  lowerGain,
  lowerMultiply,
  lowerScale,
} from "./pointwise.ts";
import { lowerAveragePoolingBackward, lowerBiasBackward, lowerMaxPoolingBackward, lowerPooling } from "./pooling.ts";
import { lowerResampling, lowerResamplingBackward } from "./resampling.ts";
import { lowerFlatten, lowerFlattenBackward, lowerReshape, lowerTranspose } from "./reshape.ts";
import { lowerConcatenation, lowerPad, lowerSlice, lowerSliceBackward } from "./shape-ops.ts";
import { lowerUpsampling, lowerUpsamplingBackward } from "./upsampling.ts";

type Lowering<K extends OpName> = (node: Node<K>, program: Program) => void;

const lowerings: { readonly [K in OpName]: Lowering<K> } = {
  convolution: lowerConvolution,
  deconvolution: lowerDeconvolution,
  batch_normalization: lowerNormalization,
  relu: lowerActivation,
  clip: lowerActivation,
  activation: lowerFunction,
  softmax: lowerToHost,
  add: lowerAdd,
  multiply: lowerMultiply,
  binary: lowerBinary,
  matmul: lowerMatmul,
  reduction: lowerToHost,
  normalization: lowerToHost,
  local_response_normalization: lowerToHost,
  prelu: lowerToHost,
  gain: lowerGain,
  bias: lowerBias,
  concatenation: lowerConcatenation,
  max_pooling: lowerPooling,
  average_pooling: lowerPooling,
  global_average_pooling: lowerPooling,
  linear: lowerLinear,
  lookup: lowerToHost,
  flatten: lowerFlatten,
  upsampling: lowerUpsampling,
  resampling: lowerResampling,
  reshape: lowerReshape,
  gather: lowerToHost,
  depth_to_space: lowerToHost,
  space_to_depth: lowerToHost,
  transpose: lowerTranspose,
  pad: lowerPad,
  slice: lowerSlice,
  scale: lowerScale,

  batch_normalization_training: lowerNormalization,
  fake_quantize: lowerFakeQuantize,
  fake_quantize_backward: lowerFakeQuantizeBackward,
  fake_quantize_weights: lowerToHost,
  softmax_cross_entropy: lowerToHost,
  soft_cross_entropy: lowerToHost,
  taught_loss: lowerToHost,
  convolution_backward_data: lowerConvolutionBackwardData,
  convolution_backward_weights: lowerConvolutionBackwardWeights,
  deconvolution_backward_data: lowerDeconvolutionBackwardData,
  deconvolution_backward_weights: lowerDeconvolutionBackwardWeights,
  batch_normalization_training_backward: lowerNormalizationTrainingBackward,
  batch_normalization_backward: lowerNormalizationBackward,
  relu_backward: lowerActivationBackward,
  clip_backward: lowerActivationBackward,
  activation_backward: lowerFunctionBackward,
  softmax_backward: lowerToHost,
  multiply_backward: lowerMultiplyBackward,
  binary_backward: lowerToHost,
  matmul_backward: lowerMatmulBackward,
  reduction_backward: lowerToHost,
  normalization_backward: lowerToHost,
  local_response_normalization_backward: lowerToHost,
  prelu_backward: lowerToHost,
  max_pooling_backward: lowerMaxPoolingBackward,
  average_pooling_backward: lowerAveragePoolingBackward,
  global_average_pooling_backward: lowerAveragePoolingBackward,
  linear_backward_data: lowerLinearBackwardData,
  linear_backward_weights: lowerLinearBackwardWeights,
  flatten_backward: lowerFlattenBackward,
  upsampling_backward: lowerUpsamplingBackward,
  resampling_backward: lowerResamplingBackward,
  lookup_backward: lowerToHost,
  gather_backward: lowerToHost,
  slice_backward: lowerSliceBackward,
  scale_backward_factor: lowerToHost,
  bias_backward: lowerBiasBackward,
  clip_factor: lowerClipFactor,
  nesterov_sgd: lowerNesterov,
  muon: lowerMuon,
  accelerated_proximal_gradient: lowerUpdate,
  zero_margin: lowerUpdate,
  all_reduce_begin: lowerAllReduceBegin,
  all_reduce_end: lowerAllReduceEnd,
  batch_statistics: lowerBatchStatistics,
  all_reduce_statistics: lowerToHost,
  batch_normalization_correction: lowerNormalizationCorrection,
  running_average: lowerUpdate,
};

/**
 * Adds the steps of `node` to `program`, on the host if oneDNN refuses it. Throws `UserError("engine-refused")` if
 * neither can compute it.
 */
export function lower(node: Node, program: Program): void {
  // The table is keyed by the node's own op, but TypeScript cannot follow this correlation through the union.
  const lowering = lowerings[node.op] as Lowering<OpName>;
  program.within(node, () =>
    lowerOrFallBack(
      node,
      program,
      () => lowering(node, program),
      (other) => lower(other, program),
    ),
  );
}
