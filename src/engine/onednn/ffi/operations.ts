/** Describes operations, before the library chooses implementations: a function for each operation and direction. */
import type { ConvolutionAttributes, Extents, Padding } from "../../../graph/attributes.ts";
import { PIXELS_FROM, stillAxis, windowAxes } from "../../../graph/windows.ts";
import { type Abi, dimensions, type Operation } from "./abi.ts";
import { algorithm, propagation } from "./constants.ts";
import type { OneDnn } from "./library.ts";
import type { MemoryDescriptor } from "./memory.ts";

/** With `auto`, the library decides by its own rule whether to use Winograd; `winograd` requests it. */
export type ConvolutionAlgorithm = "direct" | "winograd" | "auto";

const convolutionAlgorithms = {
  direct: algorithm.convolutionDirect,
  winograd: algorithm.convolutionWinograd,
  auto: algorithm.convolutionAuto,
} as const satisfies Record<ConvolutionAlgorithm, number>;

interface Window {
  readonly strides: Extents;
  readonly padding: Padding;
  readonly dilation?: Extents;
}

/** A window over `src`. One of an image that slides over volumes has depth 1, and stride 1 along the depth. */
function windowOf(window: Window, src: MemoryDescriptor) {
  const own = windowAxes(window);
  const axes = own.length < src.shape.length - PIXELS_FROM ? [stillAxis, ...own] : own;
  return {
    strides: dimensions(axes.map(({ stride }) => stride)),
    // oneDNN counts the zeros between the elements of a kernel; ONNX and the graph have their distance.
    dilation: dimensions(axes.map(({ dilation }) => dilation - 1)),
    before: dimensions(axes.map(({ before }) => before)),
    after: dimensions(axes.map(({ after }) => after)),
  };
}

/** Convolution of images, or of volumes [N, C, D, H, W] with weights [out, in, depth, height, width]. */
export interface ConvolutionMemory {
  /** src or diff_src */
  readonly src: MemoryDescriptor;
  /** weights or diff_weights */
  readonly weights: MemoryDescriptor;
  /** bias or diff_bias */
  readonly bias: MemoryDescriptor | undefined;
  /** dst or diff_dst */
  readonly dst: MemoryDescriptor;
}

export type ConvolutionDirection = "forward" | "backward data" | "backward weights";

export function convolutionOperation(
  direction: ConvolutionDirection,
  chosen: ConvolutionAlgorithm,
  { src, weights, bias, dst }: ConvolutionMemory,
  attributes: ConvolutionAttributes,
): Operation {
  const window = windowOf(attributes, src);
  const title = `convolution, ${direction}`;
  const common = { algorithm: convolutionAlgorithms[chosen], weights: weights.native, ...window };
  const biased = { ...common, bias: bias?.native ?? null };
  switch (direction) {
    case "forward":
      return {
        name: "convolutionForward",
        title,
        values: { ...biased, propagation: propagation.forwardTraining, src: src.native, dst: dst.native },
      };
    case "backward data":
      return {
        name: "convolutionBackwardData",
        title,
        values: { ...common, diffSrc: src.native, diffDst: dst.native },
      };
    case "backward weights":
      return {
        name: "convolutionBackwardWeights",
        title,
        values: { ...biased, src: src.native, diffDst: dst.native },
      };
  }
}

/** A transposed convolution, with weights [out, in, …] and, with groups, [groups, out, in, …]. */
export function deconvolutionOperation(
  direction: ConvolutionDirection,
  { src, weights, bias, dst }: ConvolutionMemory,
  attributes: ConvolutionAttributes,
): Operation {
  const title = `transposed convolution, ${direction}`;
  const common = { algorithm: algorithm.deconvolutionDirect, weights: weights.native, ...windowOf(attributes, src) };
  const biased = { ...common, bias: bias?.native ?? null };
  switch (direction) {
    case "forward":
      return {
        name: "deconvolutionForward",
        title,
        values: { ...biased, propagation: propagation.forwardTraining, src: src.native, dst: dst.native },
      };
    case "backward data":
      return {
        name: "deconvolutionBackwardData",
        title,
        values: { ...common, diffSrc: src.native, diffDst: dst.native },
      };
    case "backward weights":
      return {
        name: "deconvolutionBackwardWeights",
        title,
        values: { ...biased, src: src.native, diffDst: dst.native },
      };
  }
}

/** `batch`: the statistics of the batch are computed; `running`: statistics are given. */
export interface NormalizationOptions {
  readonly epsilon: number;
  readonly statistics: "batch" | "running";
  readonly fuseRelu: boolean;
}

function normalizationFlags({ normalizationFlags: flags }: Abi, options: NormalizationOptions): number {
  const statistics = options.statistics === "running" ? flags.useGlobalStats : 0;
  return flags.useScale | flags.useShift | statistics | (options.fuseRelu ? flags.fuseRelu : 0);
}

/** With `forTraining`, a fused ReLU leaves its mask in a workspace. */
export function normalizationForward(
  { abi }: OneDnn,
  src: MemoryDescriptor,
  forTraining: boolean,
  options: NormalizationOptions,
): Operation {
  return {
    name: "normalizationForward",
    title: "batch normalization",
    values: {
      propagation: forTraining ? propagation.forwardTraining : propagation.forwardInference,
      src: src.native,
      dst: src.native,
      epsilon: options.epsilon,
      flags: normalizationFlags(abi, options),
    },
  };
}

export function normalizationBackward(
  { abi }: OneDnn,
  diff: MemoryDescriptor,
  src: MemoryDescriptor,
  options: NormalizationOptions,
): Operation {
  return {
    name: "normalizationBackward",
    title: "batch normalization, backward",
    values: {
      propagation: propagation.backward,
      diffSrc: diff.native,
      diffDst: diff.native,
      src: src.native,
      epsilon: options.epsilon,
      flags: normalizationFlags(abi, options),
    },
  };
}

export type PoolingKind = "max" | "average, padding counted" | "average, padding not counted";

const poolingKinds = {
  max: algorithm.poolingMax,
  "average, padding counted": algorithm.poolingAverageIncludePadding,
  "average, padding not counted": algorithm.poolingAverageExcludePadding,
} as const;

export interface PoolingWindow extends Window {
  readonly kernel: Extents;
}

function poolingWindow(window: PoolingWindow, src: MemoryDescriptor) {
  return { ...windowOf(window, src), kernel: dimensions(window.kernel) };
}

export function poolingForward(
  kind: PoolingKind,
  src: MemoryDescriptor,
  dst: MemoryDescriptor,
  window: PoolingWindow,
): Operation {
  return {
    name: "poolingForward",
    title: "pooling",
    values: {
      propagation: propagation.forwardTraining,
      algorithm: poolingKinds[kind],
      src: src.native,
      dst: dst.native,
      ...poolingWindow(window, src),
    },
  };
}

export function poolingBackward(
  kind: PoolingKind,
  diffSrc: MemoryDescriptor,
  diffDst: MemoryDescriptor,
  window: PoolingWindow,
): Operation {
  return {
    name: "poolingBackward",
    title: "pooling, backward",
    values: {
      algorithm: poolingKinds[kind],
      diffSrc: diffSrc.native,
      diffDst: diffDst.native,
      ...poolingWindow(window, diffSrc),
    },
  };
}

/** Images of another size, by the two nearest pixels in each direction. The sizes decide the factors. */
export function resamplingForward(src: MemoryDescriptor, dst: MemoryDescriptor): Operation {
  return {
    name: "resamplingForward",
    title: "linear resampling",
    values: {
      propagation: propagation.forwardTraining,
      algorithm: algorithm.resamplingLinear,
      src: src.native,
      dst: dst.native,
    },
  };
}

export function resamplingBackward(diffSrc: MemoryDescriptor, diffDst: MemoryDescriptor): Operation {
  return {
    name: "resamplingBackward",
    title: "linear resampling, backward",
    values: { algorithm: algorithm.resamplingLinear, diffSrc: diffSrc.native, diffDst: diffDst.native },
  };
}

export function linearForward(
  src: MemoryDescriptor,
  weights: MemoryDescriptor,
  bias: MemoryDescriptor | undefined,
  dst: MemoryDescriptor,
): Operation {
  return {
    name: "innerProductForward",
    title: "linear layer",
    values: {
      propagation: propagation.forwardTraining,
      src: src.native,
      weights: weights.native,
      bias: bias?.native ?? null,
      dst: dst.native,
    },
  };
}

export function linearBackwardData(
  diffSrc: MemoryDescriptor,
  weights: MemoryDescriptor,
  diffDst: MemoryDescriptor,
): Operation {
  return {
    name: "innerProductBackwardData",
    title: "linear layer, backward data",
    values: { diffSrc: diffSrc.native, weights: weights.native, diffDst: diffDst.native },
  };
}

export function linearBackwardWeights(
  src: MemoryDescriptor,
  diffWeights: MemoryDescriptor,
  diffBias: MemoryDescriptor | undefined,
  diffDst: MemoryDescriptor,
): Operation {
  return {
    name: "innerProductBackwardWeights",
    title: "linear layer, backward weights",
    values: {
      src: src.native,
      weights: diffWeights.native,
      bias: diffBias?.native ?? null,
      diffDst: diffDst.native,
    },
  };
}

/** dst = src · weights, for matrices with any strides. */
export function matrixProduct(src: MemoryDescriptor, weights: MemoryDescriptor, dst: MemoryDescriptor): Operation {
  return {
    name: "matmul",
    title: "matrix product",
    values: { src: src.native, weights: weights.native, bias: null, dst: dst.native },
  };
}
