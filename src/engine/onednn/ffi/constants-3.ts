/** Numbers of the C headers of oneDNN 3 that differ in version 2. `constants.ts` says where they come from. */
import type { Abi } from "./abi.ts";

export const eltwise: Abi["eltwise"] = {
  relu: 32,
  tanh: 33,
  linear: 38,
  logistic: 41,
  hardSwish: 52,
  geluErf: 49,
  geluTanh: 43,
  elu: 34,
  abs: 36,
  softRelu: 39,
  exp: 42,
  log: 45,
  mish: 51,
  clip: 47,
  reluUseDst: 256,
  clipUseDst: 262,
};

export const normalizationFlags: Abi["normalizationFlags"] = {
  useGlobalStats: 1,
  useScale: 2,
  useShift: 4,
  fuseRelu: 8,
};

/** Argument index of the operand of the first post-op (`DNNL_ARG_ATTR_MULTIPLE_POST_OP(0)`). */
export const firstPostOpOperand = 32_768;
/** Added to the argument index of a source, it gives the argument index of its factor. */
export const scalesArgument = 4096;

export const formatTag = { any: 1, nChw16c: 78, nChw8c: 102, nCdhw16c: 121, nCdhw8c: 142 } as const;

/** Queries of a memory descriptor. */
export const memoryQuery = {
  strides: 14,
  rank: 256,
  shape: 257,
  dataType: 258,
  offset: 259,
  paddedShape: 260,
  formatKind: 262,
  blockCount: 263,
  blockSizes: 264,
  blockAxes: 265,
} as const;
