/** The kinds of a node's attributes, for programs without types. */
import { type ArgumentKind, type Arguments, requireArguments, requireOneOf } from "../core/arguments.ts";
import type { ActivationAttributes, ReductionAttributes, ResamplingAttributes } from "./attributes.ts";
import { binaryFunctions } from "./binary-functions.ts";
import type { ForwardOpName } from "./ops.ts";

/** By name. */
export type ArgumentKinds = Readonly<Record<string, ArgumentKind>>;

const pooling: ArgumentKinds = { kernel: "extents", strides: "extents", padding: "padding" };
const convolution: ArgumentKinds = {
  strides: "extents",
  padding: "padding",
  dilation: "extents",
  groups: "positive whole number",
};

const attributeKinds: Readonly<Record<ForwardOpName, ArgumentKinds>> = {
  convolution,
  deconvolution: { ...convolution, outputPadding: "shape" },
  batch_normalization: { epsilon: "number", momentum: "number" },
  relu: {},
  clip: { minimum: "number or infinity", maximum: "number or infinity" },
  // The others depend on the function.
  activation: { function: "text" },
  softmax: { isLogarithm: "boolean?", axis: "positive whole number?" },
  add: {},
  multiply: {},
  binary: { function: "text" },
  matmul: {},
  reduction: { function: "text", axes: "shape", keepsAxes: "boolean", zeros: "whole number?" },
  normalization: { axes: "shape", groups: "positive whole number?", epsilon: "number" },
  local_response_normalization: { size: "positive whole number", alpha: "number", beta: "number", bias: "number" },
  prelu: {},
  gain: {},
  bias: {},
  concatenation: {},
  max_pooling: { ...pooling, dilation: "extents?" },
  average_pooling: { ...pooling, countIncludePad: "boolean", overhang: "shape?" },
  global_average_pooling: {},
  linear: {},
  lookup: { column: "whole number" },
  flatten: { channelsLast: "boolean?" },
  upsampling: { factors: "pair" },
  // The others depend on the method.
  resampling: { method: "text" },
  reshape: { shape: "shape" },
  gather: { order: "shape" },
  depth_to_space: { block: "positive whole number", mode: "text" },
  space_to_depth: { block: "positive whole number", mode: "text" },
  transpose: { permutation: "shape" },
  pad: { before: "integers", after: "integers" },
  slice: { starts: "shape", ends: "symbolic shape", steps: "shape" },
  scale: { axis: "whole number", first: "whole number?" },
};

const functionKinds: Readonly<Record<ActivationAttributes["function"], ArgumentKinds>> = {
  sigmoid: {},
  tanh: {},
  hard_swish: {},
  gelu: { approximation: "text" },
  softplus: {},
  erf: {},
  softsign: {},
  mish: {},
  exponential: {},
  logarithm: {},
  absolute: {},
  reciprocal: {},
  square_root: {},
  elu: { alpha: "number" },
  celu: { alpha: "number" },
  selu: { alpha: "number", gamma: "number" },
  power: { exponent: "number" },
  leaky_relu: { slope: "number" },
  hard_sigmoid: { slope: "number", offset: "number" },
  linear: { slope: "number", offset: "number" },
};

const binaryNames = Object.keys(binaryFunctions);
const reductionNames: readonly ReductionAttributes["function"][] = ["sum", "mean", "maximum", "minimum", "l1", "l2"];
const resized: ArgumentKinds = { size: "extents", scales: "numbers?", coordinates: "text" };

const methodKinds: Readonly<Record<ResamplingAttributes["method"], ArgumentKinds>> = {
  nearest: { ...resized, rounding: "text" },
  linear: resized,
  cubic: { ...resized, coefficient: "number", excludesOutside: "boolean?" },
  reflect: { padding: "padding" },
  edge: { padding: "padding" },
  wrap: { padding: "padding" },
};

/** The fields of `object`, an argument of that `name`, as arguments of `kinds`. The object itself comes first. */
export function fieldsOf(name: string, object: object, kinds: ArgumentKinds): Arguments {
  const fields = Object.entries(kinds).map(([field, kind]) => {
    const value: unknown = isObject(object) ? Reflect.get(object, field) : undefined;
    return [`${name}.${field}`, [value, kind]] as const;
  });
  return { [name]: [object, "object"], ...Object.fromEntries(fields) };
}

const coordinates = [
  ...["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"],
  "tf_half_pixel_for_nn",
];
const roundings = ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"];

function requireResampling(call: string, attributes: object): void {
  const method: unknown = Reflect.get(attributes, "method");
  requireOneOf(call, "attributes.method", method, Object.keys(methodKinds));
  const [, kinds = {}] = Object.entries(methodKinds).find(([known]) => known === method) ?? [];
  requireArguments(call, fieldsOf("attributes", attributes, kinds));
  if ("coordinates" in kinds) {
    requireOneOf(call, "attributes.coordinates", Reflect.get(attributes, "coordinates"), coordinates);
  }
  if ("rounding" in kinds) requireOneOf(call, "attributes.rounding", Reflect.get(attributes, "rounding"), roundings);
}

/** Throws `UserError("bad-option")` unless `op` is one of a network, and `attributes` are of its kinds. */
export function requireAttributes(call: string, op: ForwardOpName, attributes: object): void {
  requireOneOf(call, "op", op, Object.keys(attributeKinds));
  requireArguments(call, fieldsOf("attributes", attributes, attributeKinds[op]));
  if (op === "depth_to_space" || op === "space_to_depth") {
    requireOneOf(call, "attributes.mode", Reflect.get(attributes, "mode"), ["DCR", "CRD"]);
  }
  if (op === "binary") requireOneOf(call, "attributes.function", Reflect.get(attributes, "function"), binaryNames);
  if (op === "reduction")
    requireOneOf(call, "attributes.function", Reflect.get(attributes, "function"), reductionNames);
  if (op === "resampling") requireResampling(call, attributes);
  if (op !== "activation") return;
  const name: unknown = Reflect.get(attributes, "function");
  requireOneOf(call, "attributes.function", name, Object.keys(functionKinds));
  const [, kinds = {}] = Object.entries(functionKinds).find(([known]) => known === name) ?? [];
  requireArguments(call, fieldsOf("attributes", attributes, kinds));
  if (name !== "gelu") return;
  const approximation: unknown = Reflect.get(attributes, "approximation");
  requireOneOf(call, "attributes.approximation", approximation, ["none", "tanh"]);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
