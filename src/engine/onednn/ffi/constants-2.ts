/** Numbers of the C headers of oneDNN 2 that differ in version 3. `constants.ts` says where they come from. */
import type { Abi } from "./abi.ts";
import type { OperationName } from "./prototypes.ts";

export const eltwise: Abi["eltwise"] = {
  relu: 31,
  tanh: 47,
  linear: 127,
  logistic: 175,
  hardSwish: 112,
  geluErf: 48,
  geluTanh: 207,
  elu: 63,
  abs: 95,
  softRelu: 159,
  exp: 191,
  log: 239,
  mish: 96,
  clip: 16,
  reluUseDst: 256,
  clipUseDst: 262,
};

export const normalizationFlags: Abi["normalizationFlags"] = {
  useGlobalStats: 1,
  fuseRelu: 4,
  useScale: 8,
  useShift: 16,
};

/** Argument index of the operand of the first post-op (`DNNL_ARG_ATTR_MULTIPLE_POST_OP(0)`). */
export const firstPostOpOperand = 16_384;

export const formatTag = { any: 1, nChw16c: 69, nChw8c: 93, nCdhw16c: 112, nCdhw8c: 133 } as const;

/** Bytes of the struct that describes each operation. */
export const operationSize: Readonly<Record<OperationName, number>> = {
  convolutionForward: 5976,
  convolutionBackwardData: 5976,
  convolutionBackwardWeights: 5976,
  deconvolutionForward: 5976,
  deconvolutionBackwardData: 5976,
  deconvolutionBackwardWeights: 5976,
  normalizationForward: 3496,
  normalizationBackward: 3496,
  eltwiseForward: 1416,
  eltwiseBackward: 1416,
  poolingForward: 3288,
  poolingBackward: 3288,
  binary: 2096,
  innerProductForward: 5584,
  innerProductBackwardData: 5584,
  innerProductBackwardWeights: 5584,
  matmul: 2800,
  resamplingForward: 2848,
  resamplingBackward: 2848,
};

/** Bytes of `dnnl_memory_desc_t`, and byte offsets inside it. */
export const memorySize = 696;
export const memoryOffset = {
  ndims: 0,
  dims: 8,
  dataType: 104,
  paddedDims: 112,
  offset0: 304,
  formatKind: 312,
  strides: 320,
  innerBlockCount: 416,
  innerBlocks: 424,
  innerAxes: 520,
} as const;
