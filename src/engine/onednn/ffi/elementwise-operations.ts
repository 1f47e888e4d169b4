/** Describes the library's element-wise operations: functions of one number, and binary ones. */
import type { ActivationAttributes, BinaryAttributes } from "../../../graph/attributes.ts";
import type { Abi, Operation } from "./abi.ts";
import { algorithm, propagation } from "./constants.ts";
import type { OneDnn } from "./library.ts";
import type { MemoryDescriptor } from "./memory.ts";

/** The functions of `graph/attributes.ts` that oneDNN lacks, or whose gradient is infinite somewhere in oneDNN. */
const hostFunctions = ["erf", "softsign", "reciprocal", "square_root", "power", "celu", "selu"] as const;
type HostFunction = (typeof hostFunctions)[number];
export type LibraryFunction = Exclude<ActivationAttributes, { function: HostFunction }>;

export function isLibraryFunction(attributes: ActivationAttributes): attributes is LibraryFunction {
  return !hostFunctions.some((name) => name === attributes.function);
}

/** An element-wise function: max(0, x), a clip to `minimum` … `maximum`, or another of `graph/attributes.ts`. */
export type Activation =
  | "ReLU"
  | { readonly minimum: number; readonly maximum: number }
  | Exclude<LibraryFunction, { function: "hard_sigmoid" }>;

interface Elementwise {
  readonly forward: number;
  /** The gradient uses dst instead of src for ReLU and clip, because they may be fused into the preceding step. */
  readonly backward: number;
  readonly alpha?: number;
  readonly beta?: number;
}

function elementwiseOf({ eltwise }: Abi, activation: Activation): Elementwise {
  if (activation === "ReLU") return { forward: eltwise.relu, backward: eltwise.reluUseDst };
  if ("minimum" in activation) {
    const { minimum, maximum } = activation;
    return { forward: eltwise.clip, backward: eltwise.clipUseDst, alpha: minimum, beta: maximum };
  }
  const codes = {
    sigmoid: eltwise.logistic,
    tanh: eltwise.tanh,
    hard_swish: eltwise.hardSwish,
    gelu: eltwise.geluErf,
    softplus: eltwise.softRelu,
    mish: eltwise.mish,
    exponential: eltwise.exp,
    logarithm: eltwise.log,
    absolute: eltwise.abs,
    elu: eltwise.elu,
    leaky_relu: eltwise.relu,
    linear: eltwise.linear,
  };
  const code = codes[activation.function];
  const own = { forward: code, backward: code };
  switch (activation.function) {
    case "linear":
      return { ...own, alpha: activation.slope, beta: activation.offset };
    case "leaky_relu":
      return { ...own, alpha: activation.slope };
    case "elu":
      return { ...own, alpha: activation.alpha };
    case "softplus":
      // Version 3 divides ln(1 + e^(αx)) by α; version 2 ignores it.
      return { ...own, alpha: 1 };
    case "hard_swish":
      return { ...own, ...HARD_SWISH };
    case "gelu":
      return activation.approximation === "none" ? own : { forward: eltwise.geluTanh, backward: eltwise.geluTanh };
    default:
      return own;
  }
}

/** Hard swish: x · min(max(αx + β, 0), 1). Version 2 has these parameters built in. */
const HARD_SWISH = { alpha: 1 / 6, beta: 1 / 2 } as const;

export function activationForward({ abi }: OneDnn, activation: Activation, src: MemoryDescriptor): Operation {
  const { forward, alpha = 0, beta = 0 } = elementwiseOf(abi, activation);
  return {
    name: "eltwiseForward",
    title: "activation",
    values: {
      propagation: propagation.forwardTraining,
      algorithm: forward,
      src: src.native,
      dst: src.native,
      alpha,
      beta,
    },
  };
}

/** `data` is the dst of ReLU and clip, the src of other functions. */
export function activationBackward(
  { abi }: OneDnn,
  activation: Activation,
  diff: MemoryDescriptor,
  data: MemoryDescriptor,
): Operation {
  const { backward, alpha = 0, beta = 0 } = elementwiseOf(abi, activation);
  return {
    name: "eltwiseBackward",
    title: "activation, backward",
    values: { algorithm: backward, diffSrc: diff.native, diffDst: diff.native, src: data.native, alpha, beta },
  };
}

export type BinaryKind = BinaryAttributes["function"];

const binaryKinds = {
  add: [algorithm.binaryAdd, "sum"],
  subtract: [algorithm.binarySubtract, "difference"],
  multiply: [algorithm.binaryMultiply, "product"],
  divide: [algorithm.binaryDivide, "quotient"],
  maximum: [algorithm.binaryMaximum, "maximum"],
  minimum: [algorithm.binaryMinimum, "minimum"],
} as const satisfies Record<BinaryKind, readonly [code: number, title: string]>;

/** dst = src ∘ other. Axes of `other` with extent 1 are broadcast. */
export function binaryOperation(
  kind: BinaryKind,
  src: MemoryDescriptor,
  other: MemoryDescriptor,
  dst: MemoryDescriptor,
): Operation {
  const [code, title] = binaryKinds[kind];
  return {
    name: "binary",
    title,
    values: { algorithm: code, src: src.native, other: other.native, dst: dst.native },
  };
}
