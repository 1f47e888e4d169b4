/**
 * Numbers of oneDNN 2.x's C headers that calls are made with: sizes of the descriptor structs, which the library fills in
 * place, and the enumerations. `scripts/onednn-constants.c` prints them from the installed headers (package libdnnl-dev).
 */

/** Bytes of each descriptor struct. */
export const descriptorSize = {
  memory: 696,
  convolution: 5976,
  batchNormalization: 3496,
  eltwise: 1416,
  pooling: 3288,
  binary: 2096,
  innerProduct: 5584,
  matmul: 2800,
} as const;

/** Byte offsets inside `dnnl_memory_desc_t`. */
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

export const status = [
  "success",
  "out of memory",
  "invalid arguments",
  "unimplemented",
  "iterator ends",
  "runtime error",
] as const;

export const dataType = { bf16: 2, f32: 3, i32: 4 } as const;

export const formatKind = { any: 1, blocked: 2, winograd: 3 } as const;

export const formatTag = {
  any: 1,
  a: 2,
  ab: 3,
  abcd: 5,
  abcde: 7,
  nhwc: 20,
  ndhwc: 21,
  nChw16c: 69,
  nChw8c: 93,
  nCdhw16c: 112,
  nCdhw8c: 133,
} as const;

export const propagation = {
  forwardTraining: 64,
  forwardInference: 96,
  backward: 128,
} as const;

export const algorithm = {
  convolutionDirect: 1,
  convolutionWinograd: 2,
  convolutionAuto: 3,
  relu: 31,
  tanh: 47,
  linear: 127,
  logistic: 175,
  hardSwish: 112,
  clip: 16,
  reluUseDst: 256,
  clipUseDst: 262,
  poolingMax: 511,
  poolingAverageIncludePadding: 767,
  poolingAverageExcludePadding: 1023,
  binaryAdd: 131056,
  binaryMultiply: 131057,
  binaryMinimum: 131059,
  binarySubtract: 131061,
} as const;

/** Bits of the batch normalisation's flags. */
export const normalizationFlag = { useGlobalStats: 1, fuseRelu: 4, useScale: 8, useShift: 16 } as const;

/** Indices of a primitive's arguments. */
export const argument = {
  src: 1,
  src1: 2,
  dst: 17,
  weights: 33,
  bias: 41,
  mean: 49,
  variance: 50,
  scale: 51,
  shift: 52,
  workspace: 64,
  scratchpad: 80,
  diffSrc: 129,
  diffDst: 145,
  diffWeights: 161,
  diffBias: 169,
  diffScale: 255,
  diffShift: 256,
  multipleSrc: 1024,
} as const;

/** Index of the operand of a primitive's post-op, which is the `position`-th of its chain. */
export function postOpOperand(position: number): number {
  return POST_OP * (position + 1) + argument.src1;
}

const POST_OP = 16_384;

/** oneDNN's name of an argument: src, diff_weights, … */
export function argumentName(index: number): string {
  if (index >= POST_OP) return `post_op_${Math.floor(index / POST_OP) - 1}`;
  const sources = index - argument.multipleSrc;
  if (sources >= 0 && sources < MOST_SOURCES) return `src_${sources}`;
  const found = Object.entries(argument).find(([, value]) => value === index);
  return found === undefined
    ? `argument ${index}`
    : found[0].replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Indices that sources of sums and concatenations may take. */
const MOST_SOURCES = 1024;

export const query = {
  implementation: 8,
  src: 129,
  diffSrc: 130,
  weights: 131,
  diffWeights: 132,
  dst: 133,
  diffDst: 134,
  workspace: 135,
  scratchpad: 136,
} as const;

export const engineKindCpu = 1;
export const streamInOrder = 1;
export const scratchpadModeUser = 1;

/** Bits of `dnnl_cpu_isa_t` that all instruction sets with 512-bit vectors have (avx512_core), and those with bf16. */
export const isaAvx512Core = 0x27;
export const isaAvx512CoreBf16 = 0xe7;
