/** The reference kernel of every op: a total table, so that an op without a kernel does not compile. */
import { required } from "../../core/errors.ts";
import type { Node } from "../../graph/graph.ts";
import type { OpName } from "../../graph/ops.ts";
import { activation, activationBackward } from "./activation.ts";
import {
  localResponseNormalization,
  localResponseNormalizationBackward,
  normalization,
  normalizationBackward,
} from "./axis-normalization.ts";
import { binary, binaryBackward } from "./binary.ts";
import {
  allReduceBegin,
  allReduceEnd,
  allReduceStatistics,
  batchNormalizationCorrection,
  batchStatistics,
} from "./collectives.ts";
import { convolution, convolutionBackwardData, convolutionBackwardWeights } from "./convolution.ts";
import { deconvolution, deconvolutionBackwardData, deconvolutionBackwardWeights } from "./deconvolution.ts";
import { fakeQuantize, fakeQuantizeBackward, fakeQuantizeWeights } from "./fake-quantization.ts";
import type { OutputArray, ReferenceKernel, TypedTensor } from "./kernel.ts";
import { linear, linearBackwardData, linearBackwardWeights } from "./linear.ts";
import { lookup, lookupBackward } from "./lookup.ts";
import { softCrossEntropy, softmaxCrossEntropy } from "./loss.ts";
import { matmul, matmulBackward } from "./matmul.ts";
import { depthToSpace, gather, gatherBackward, reshape, spaceToDepth } from "./movement.ts";
import { multiply, multiplyBackward } from "./multiply.ts";
import {
  batchNormalization,
  batchNormalizationBackward,
  batchNormalizationTraining,
  batchNormalizationTrainingBackward,
} from "./normalization.ts";
import { acceleratedProximalGradient, clipFactor, muon, nesterovSgd, runningAverage, zeroMargin } from "./optimizer.ts";
import {
  add,
  bias,
  biasBackward,
  clip,
  clipBackward,
  gain,
  prelu,
  preluBackward,
  relu,
  reluBackward,
  scale,
  scaleBackwardFactor,
} from "./pointwise.ts";
import {
  averagePooling,
  averagePoolingBackward,
  globalAveragePooling,
  globalAveragePoolingBackward,
  maxPooling,
  maxPoolingBackward,
} from "./pooling.ts";
import { reduction, reductionBackward } from "./reduction.ts";
import { resampling, resamplingBackward } from "./resampling.ts";
import { concatenation, flatten, flattenBackward, pad, slice, sliceBackward, transpose } from "./shape-ops.ts";
import { softmax, softmaxBackward } from "./softmax.ts";
import { taughtLoss } from "./taught-loss.ts";
import { upsampling, upsamplingBackward } from "./upsampling.ts";

export const referenceKernels: { readonly [K in OpName]: ReferenceKernel<K> } = {
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

  batch_normalization_training: batchNormalizationTraining,
  fake_quantize: fakeQuantize,
  fake_quantize_backward: fakeQuantizeBackward,
  fake_quantize_weights: fakeQuantizeWeights,
  softmax_cross_entropy: softmaxCrossEntropy,
  soft_cross_entropy: softCrossEntropy,
  taught_loss: taughtLoss,
  convolution_backward_data: convolutionBackwardData,
  convolution_backward_weights: convolutionBackwardWeights,
  deconvolution_backward_data: deconvolutionBackwardData,
  deconvolution_backward_weights: deconvolutionBackwardWeights,
  batch_normalization_training_backward: batchNormalizationTrainingBackward,
  batch_normalization_backward: batchNormalizationBackward,
  relu_backward: reluBackward,
  clip_backward: clipBackward,
  activation_backward: activationBackward,
  softmax_backward: softmaxBackward,
  multiply_backward: multiplyBackward,
  binary_backward: binaryBackward,
  matmul_backward: matmulBackward,
  reduction_backward: reductionBackward,
  normalization_backward: normalizationBackward,
  local_response_normalization_backward: localResponseNormalizationBackward,
  prelu_backward: preluBackward,
  max_pooling_backward: maxPoolingBackward,
  average_pooling_backward: averagePoolingBackward,
  global_average_pooling_backward: globalAveragePoolingBackward,
  linear_backward_data: linearBackwardData,
  linear_backward_weights: linearBackwardWeights,
  lookup_backward: lookupBackward,
  flatten_backward: flattenBackward,
  upsampling_backward: upsamplingBackward,
  resampling_backward: resamplingBackward,
  gather_backward: gatherBackward,
  slice_backward: sliceBackward,
  scale_backward_factor: scaleBackwardFactor,
  bias_backward: biasBackward,
  clip_factor: clipFactor,
  nesterov_sgd: nesterovSgd,
  muon,
  accelerated_proximal_gradient: acceleratedProximalGradient,
  zero_margin: zeroMargin,
  all_reduce_begin: allReduceBegin,
  all_reduce_end: allReduceEnd,
  batch_statistics: batchStatistics,
  all_reduce_statistics: allReduceStatistics,
  batch_normalization_correction: batchNormalizationCorrection,
  running_average: runningAverage,
};

/** Runs the reference kernel of `node` on `inputs`, filling `outputs`; for any node, whatever its op. */
export function runReferenceKernel(node: Node, inputs: readonly TypedTensor[], outputs: readonly OutputArray[]): void {
  // The table is keyed by the node's own op; TypeScript cannot follow the correlation through the union.
  const kernel = required(
    referenceKernels[node.op] as ReferenceKernel<OpName> | undefined,
    `kernel of op "${node.op}"`,
  );
  kernel({ attributes: node.attributes, inputs, outputs });
}
