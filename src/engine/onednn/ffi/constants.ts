/**
 * Numbers of oneDNN's C headers that are the same in versions 2 and 3. `constants-2.ts` and `constants-3.ts` have
 * the others. `scripts/onednn-constants.c` prints all of them from the installed headers (package libdnnl-dev).
 */

export const status = [
  "success",
  "out of memory",
  "invalid arguments",
  "unimplemented",
  "last implementation reached",
  "runtime error",
] as const;

export const dataType = { bf16: 2, f32: 3, i32: 4 } as const;
/** `dnnl_data_type_undef`: where it is allowed, it stands for the type of the destination. */
export const undefinedDataType = 0;
export const formatKind = { any: 1, blocked: 2 } as const;

export const propagation = {
  forwardTraining: 64,
  forwardInference: 96,
  backward: 128,
} as const;

export const algorithm = {
  convolutionDirect: 1,
  convolutionWinograd: 2,
  convolutionAuto: 3,
  deconvolutionDirect: 10,
  poolingMax: 511,
  poolingAverageIncludePadding: 767,
  poolingAverageExcludePadding: 1023,
  binaryAdd: 131056,
  resamplingLinear: 196593,
  binaryMultiply: 131057,
  binaryMaximum: 131058,
  binaryMinimum: 131059,
  binaryDivide: 131060,
  binarySubtract: 131061,
} as const;

/** Argument indices of primitives. */
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

/** Range of argument indices for the sources of sums and concatenations. */
const MOST_SOURCES = 1024;

/** oneDNN's name of an argument other than a post-op's operand: src, diff_weights, src_2, … */
export function argumentName(index: number): string {
  const sources = index - argument.multipleSrc;
  if (sources >= 0 && sources < MOST_SOURCES) return `src_${sources}`;
  const found = Object.entries(argument).find(([, value]) => value === index);
  return found === undefined
    ? `argument ${index}`
    : found[0].replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

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

/** Bits of `dnnl_cpu_isa_t` for instruction sets with 512-bit vectors (avx512_core), and for those with bf16. */
export const isaAvx512Core = 0x27;
export const isaAvx512CoreBf16 = 0xe7;
/** Bits for processors with AMX, in versions 2 and 3. */
export const isaAmx = 0x2e7;
