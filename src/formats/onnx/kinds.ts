/**
 * Finds the kind of each parameter. ONNX does not store it; it follows from the op that reads the parameter and the
 * input index.
 */

import type { BinaryAttributes } from "../../graph/attributes.ts";
import type { Node, ParameterKind } from "../../graph/graph.ts";
import type { ForwardOpName, OpName } from "../../graph/ops.ts";

/** Parameter kinds of an op's inputs after the first. */
const inputKinds: { readonly [K in ForwardOpName]: readonly ParameterKind[] } = {
  convolution: ["weights", "bias"],
  deconvolution: ["weights", "bias"],
  batch_normalization: ["scale", "shift", "running_mean", "running_variance"],
  relu: [],
  clip: [],
  activation: [],
  softmax: [],
  add: [],
  multiply: [],
  // Its parameter depends on the function.
  binary: [],
  matmul: [],
  reduction: [],
  normalization: [],
  local_response_normalization: [],
  prelu: ["shift"],
  gain: ["scale"],
  bias: ["bias"],
  concatenation: [],
  max_pooling: [],
  average_pooling: [],
  global_average_pooling: [],
  linear: ["weights", "bias"],
  lookup: ["weights"],
  flatten: [],
  upsampling: [],
  resampling: [],
  reshape: [],
  gather: [],
  depth_to_space: [],
  space_to_depth: [],
  transpose: [],
  pad: [],
  slice: [],
  scale: ["factor"],
};

const byOp: ReadonlyMap<OpName, readonly ParameterKind[]> = new Map(
  Object.entries(inputKinds).map(([op, kinds]) => [op as ForwardOpName, kinds]),
);

/** The kind of a parameter of the `binary` op: bounds and the like are not trained. */
const operandKinds: { readonly [K in BinaryAttributes["function"]]: ParameterKind } = {
  add: "bias",
  subtract: "bias",
  multiply: "scale",
  divide: "scale",
  maximum: "constant",
  minimum: "constant",
};

function kindsOf(node: Node): readonly ParameterKind[] {
  return node.op === "binary" ? [operandKinds[node.attributes.function]] : (byOp.get(node.op) ?? []);
}

/** Ops that change only the values of images, as a network's preprocessing does. */
const preprocessing: ReadonlySet<OpName> = new Set<ForwardOpName>([
  ...(["activation", "binary", "gain", "bias", "transpose"] as const),
]);

/**
 * Value name → kind, for every value that nodes read as a parameter. A parameter behind a scale has the kind that the
 * scale's reader asks for. Parameters that change the values of `images` before any layer does (the preprocessing
 * inside other tools' files) are constants.
 */
export function parameterKinds(
  nodes: readonly Node[],
  images: ReadonlySet<string> = new Set(),
): ReadonlyMap<string, ParameterKind> {
  const kinds = new Map<string, ParameterKind>();
  for (const node of nodes.toReversed()) {
    const { op, inputs, outputs } = node;
    for (const [index, kind] of kindsOf(node).entries()) {
      const input = inputs[index + 1];
      if (input !== undefined) kinds.set(input, kind);
    }
    const [src = ""] = inputs;
    const kind = kinds.get(outputs[0] ?? "");
    if (op === "scale" && kind !== undefined) kinds.set(src, kind);
  }
  const unprocessed = new Set(images);
  for (const { op, inputs, outputs } of nodes) {
    if (!preprocessing.has(op) || !unprocessed.has(inputs[0] ?? "")) continue;
    for (const output of outputs) unprocessed.add(output);
    for (const parameter of inputs.slice(1)) kinds.set(parameter, "constant");
  }
  return kinds;
}
