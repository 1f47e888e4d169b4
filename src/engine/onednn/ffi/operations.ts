/** Operation descriptors: what is to be computed, before the library says how. One function an operation and direction. */
import type { ActivationAttributes, ConvolutionAttributes, Padding, Pair } from "../../../graph/ops.ts";
import { algorithm, descriptorSize, normalizationFlag, propagation } from "./constants.ts";
import { type OneDnn, statusName } from "./library.ts";
import { dimensions, type MemoryDescriptor } from "./memory.ts";
import type { Operation } from "./primitive.ts";
import { Refusal } from "./refusal.ts";

/** `auto` lets the library decide, by a rule of its own, where Winograd pays; `winograd` asks for it wherever it is possible. */
export type ConvolutionAlgorithm = "direct" | "winograd" | "auto";

const convolutionAlgorithms = {
  direct: algorithm.convolutionDirect,
  winograd: algorithm.convolutionWinograd,
  auto: algorithm.convolutionAuto,
} as const satisfies Record<ConvolutionAlgorithm, number>;

function describe(size: number, what: string, call: (struct: Uint8Array) => number): Operation {
  const struct = new Uint8Array(size);
  const result = call(struct);
  if (result !== 0) throw new Refusal(`describe a ${what}`, statusName(result));
  return struct;
}

function windowOf({ strides, padding, dilation }: { strides: Pair; padding: Padding; dilation: Pair }) {
  return [
    dimensions(strides),
    // oneDNN counts the zeros between kernel elements, ONNX and the graph the distance.
    dimensions(dilation.map((step) => step - 1)),
    dimensions([padding.top, padding.left]),
    dimensions([padding.bottom, padding.right]),
  ] as const;
}

/** Axes of a volume: batch, channels, depth, height, width. */
const VOLUME_RANK = 5;

/** Of a kernel of depth 1, which steps from slice to slice. */
function volumeWindowOf({ strides, padding, dilation }: { strides: Pair; padding: Padding; dilation: Pair }) {
  return [
    dimensions([1, ...strides]),
    dimensions([0, ...dilation.map((step) => step - 1)]),
    dimensions([0, padding.top, padding.left]),
    dimensions([0, padding.bottom, padding.right]),
  ] as const;
}

/** Of images, or of volumes [N, C, D, H, W] with weights [out, in, 1, height, width]. */
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
  { calls }: OneDnn,
  direction: ConvolutionDirection,
  chosen: ConvolutionAlgorithm,
  { src, weights, bias, dst }: ConvolutionMemory,
  attributes: ConvolutionAttributes,
): Operation {
  const kind = convolutionAlgorithms[chosen];
  const window = src.shape.length === VOLUME_RANK ? volumeWindowOf(attributes) : windowOf(attributes);
  const biasStruct = bias?.struct ?? null;
  return describe(descriptorSize.convolution, `convolution, ${direction}`, (out) => {
    switch (direction) {
      case "forward":
        return calls.convolutionForward(
          out,
          propagation.forwardTraining,
          kind,
          src.struct,
          weights.struct,
          biasStruct,
          dst.struct,
          ...window,
        );
      case "backward data":
        return calls.convolutionBackwardData(out, kind, src.struct, weights.struct, dst.struct, ...window);
      case "backward weights":
        return calls.convolutionBackwardWeights(
          out,
          kind,
          src.struct,
          weights.struct,
          biasStruct,
          dst.struct,
          ...window,
        );
    }
  });
}

/** `batch`: statistics of the batch are computed; `running`: they are given. */
export interface NormalizationOptions {
  readonly epsilon: number;
  readonly statistics: "batch" | "running";
  readonly fuseRelu: boolean;
}

function normalizationFlags({ statistics, fuseRelu }: NormalizationOptions): number {
  const { useGlobalStats, useScale, useShift } = normalizationFlag;
  return (
    useScale | useShift | (statistics === "running" ? useGlobalStats : 0) | (fuseRelu ? normalizationFlag.fuseRelu : 0)
  );
}

/** With `forTraining`, a fused ReLU leaves its mask in a workspace. */
export function normalizationForward(
  { calls }: OneDnn,
  src: MemoryDescriptor,
  forTraining: boolean,
  options: NormalizationOptions,
): Operation {
  const kind = forTraining ? propagation.forwardTraining : propagation.forwardInference;
  return describe(descriptorSize.batchNormalization, "batch normalisation", (out) =>
    calls.normalizationForward(out, kind, src.struct, options.epsilon, normalizationFlags(options)),
  );
}

export function normalizationBackward(
  { calls }: OneDnn,
  diff: MemoryDescriptor,
  src: MemoryDescriptor,
  options: NormalizationOptions,
): Operation {
  return describe(descriptorSize.batchNormalization, "batch normalisation, backward", (out) =>
    calls.normalizationBackward(
      out,
      propagation.backward,
      diff.struct,
      src.struct,
      options.epsilon,
      normalizationFlags(options),
    ),
  );
}

/** What an element-wise operation does: max(0, x), between `minimum` and `maximum`, or one of the functions of `graph/ops.ts`. */
export type Activation =
  | "ReLU"
  | { readonly minimum: number; readonly maximum: number }
  | Exclude<ActivationAttributes, { function: "hard_sigmoid" }>;

interface Elementwise {
  readonly forward: number;
  /** From dst, not src, for ReLU and clip: they may have been fused into what came before them. */
  readonly backward: number;
  readonly alpha?: number;
  readonly beta?: number;
}

const activationCodes = {
  sigmoid: algorithm.logistic,
  tanh: algorithm.tanh,
  hard_swish: algorithm.hardSwish,
  leaky_relu: algorithm.relu,
  linear: algorithm.linear,
} as const;

function elementwiseOf(activation: Activation): Elementwise {
  if (activation === "ReLU") return { forward: algorithm.relu, backward: algorithm.reluUseDst };
  if ("minimum" in activation) {
    const { minimum, maximum } = activation;
    return { forward: algorithm.clip, backward: algorithm.clipUseDst, alpha: minimum, beta: maximum };
  }
  const code = activationCodes[activation.function];
  const own = { forward: code, backward: code };
  if (activation.function === "linear") return { ...own, alpha: activation.slope, beta: activation.offset };
  return activation.function === "leaky_relu" ? { ...own, alpha: activation.slope } : own;
}

export function activationForward({ calls }: OneDnn, activation: Activation, src: MemoryDescriptor): Operation {
  const { forward, alpha = 0, beta = 0 } = elementwiseOf(activation);
  return describe(descriptorSize.eltwise, "activation", (out) =>
    calls.eltwiseForward(out, propagation.forwardTraining, forward, src.struct, alpha, beta),
  );
}

/** `data` is the dst of ReLU and clip, the src of other functions. */
export function activationBackward(
  { calls }: OneDnn,
  activation: Activation,
  diff: MemoryDescriptor,
  data: MemoryDescriptor,
): Operation {
  const { backward, alpha = 0, beta = 0 } = elementwiseOf(activation);
  return describe(descriptorSize.eltwise, "activation, backward", (out) =>
    calls.eltwiseBackward(out, backward, diff.struct, data.struct, alpha, beta),
  );
}

export type BinaryKind = "add" | "multiply";

/** dst = src ∘ other, with `other` broadcast where its extent is 1. */
export function binaryOperation(
  { calls }: OneDnn,
  kind: BinaryKind,
  src: MemoryDescriptor,
  other: MemoryDescriptor,
  dst: MemoryDescriptor,
): Operation {
  const code = kind === "add" ? algorithm.binaryAdd : algorithm.binaryMultiply;
  return describe(descriptorSize.binary, kind, (out) => calls.binary(out, code, src.struct, other.struct, dst.struct));
}

export type PoolingKind = "max" | "average, padding counted" | "average, padding not counted";

const poolingKinds = {
  max: algorithm.poolingMax,
  "average, padding counted": algorithm.poolingAverageIncludePadding,
  "average, padding not counted": algorithm.poolingAverageExcludePadding,
} as const;

export interface PoolingWindow {
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly padding: Padding;
  /** Absent: 1. */
  readonly dilation?: Pair;
}

function poolingWindow(window: PoolingWindow) {
  const [strides, dilation, before, after] = windowOf({ dilation: [1, 1], ...window });
  return [strides, dimensions(window.kernel), dilation, before, after] as const;
}

export function poolingForward(
  { calls }: OneDnn,
  kind: PoolingKind,
  src: MemoryDescriptor,
  dst: MemoryDescriptor,
  window: PoolingWindow,
): Operation {
  return describe(descriptorSize.pooling, "pooling", (out) =>
    calls.poolingForward(
      out,
      propagation.forwardTraining,
      poolingKinds[kind],
      src.struct,
      dst.struct,
      ...poolingWindow(window),
    ),
  );
}

export function poolingBackward(
  { calls }: OneDnn,
  kind: PoolingKind,
  diffSrc: MemoryDescriptor,
  diffDst: MemoryDescriptor,
  window: PoolingWindow,
): Operation {
  return describe(descriptorSize.pooling, "pooling, backward", (out) =>
    calls.poolingBackward(out, poolingKinds[kind], diffSrc.struct, diffDst.struct, ...poolingWindow(window)),
  );
}

export function linearForward(
  { calls }: OneDnn,
  src: MemoryDescriptor,
  weights: MemoryDescriptor,
  bias: MemoryDescriptor | undefined,
  dst: MemoryDescriptor,
): Operation {
  return describe(descriptorSize.innerProduct, "linear layer", (out) =>
    calls.innerProductForward(
      out,
      propagation.forwardTraining,
      src.struct,
      weights.struct,
      bias?.struct ?? null,
      dst.struct,
    ),
  );
}

export function linearBackwardData(
  { calls }: OneDnn,
  diffSrc: MemoryDescriptor,
  weights: MemoryDescriptor,
  diffDst: MemoryDescriptor,
): Operation {
  return describe(descriptorSize.innerProduct, "linear layer, backward data", (out) =>
    calls.innerProductBackwardData(out, diffSrc.struct, weights.struct, diffDst.struct),
  );
}

export function linearBackwardWeights(
  { calls }: OneDnn,
  src: MemoryDescriptor,
  diffWeights: MemoryDescriptor,
  diffBias: MemoryDescriptor | undefined,
  diffDst: MemoryDescriptor,
): Operation {
  return describe(descriptorSize.innerProduct, "linear layer, backward weights", (out) =>
    calls.innerProductBackwardWeights(out, src.struct, diffWeights.struct, diffBias?.struct ?? null, diffDst.struct),
  );
}

/** dst = src · weights, matrices of any strides. */
export function matrixProduct(
  { calls }: OneDnn,
  src: MemoryDescriptor,
  weights: MemoryDescriptor,
  dst: MemoryDescriptor,
): Operation {
  return describe(descriptorSize.matmul, "matrix product", (out) =>
    calls.matmul(out, src.struct, weights.struct, null, dst.struct),
  );
}
