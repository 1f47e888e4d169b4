/** The kind of each parameter, which ONNX does not store: it follows from the op that reads it and at which input. */
import type { Node, ParameterKind } from "../../graph/graph.ts";
import type { ForwardOpName, OpName } from "../../graph/ops.ts";

/** Kinds of a node's inputs after the first. */
const inputKinds: { readonly [K in ForwardOpName]: readonly ParameterKind[] } = {
  convolution: ["weights", "bias"],
  batch_normalization: ["scale", "shift", "running_mean", "running_variance"],
  relu: [],
  clip: [],
  activation: [],
  softmax: [],
  add: [],
  multiply: [],
  gain: ["scale"],
  bias: ["bias"],
  concatenation: [],
  max_pooling: [],
  average_pooling: [],
  global_average_pooling: [],
  linear: ["weights", "bias"],
  flatten: [],
  upsampling: [],
  transpose: [],
  pad: [],
  slice: [],
  scale: ["factor"],
};

const byOp: ReadonlyMap<OpName, readonly ParameterKind[]> = new Map(
  Object.entries(inputKinds).map(([op, kinds]) => [op as ForwardOpName, kinds]),
);

/** Ops that leave images what they are but for their numbers, as a network's preprocessing does. */
const preprocessing: ReadonlySet<OpName> = new Set<ForwardOpName>(["activation", "gain", "bias", "transpose"]);

/**
 * Value name → kind, for everything that nodes read as a parameter; a scaled parameter is of the kind its reader asks
 * for. What changes the values in `images` before any layer does, as they are normalised inside other tools' files, is
 * constant.
 */
export function parameterKinds(
  nodes: readonly Node[],
  images: ReadonlySet<string> = new Set(),
): ReadonlyMap<string, ParameterKind> {
  const kinds = new Map<string, ParameterKind>();
  for (const { op, inputs, outputs } of nodes.toReversed()) {
    for (const [index, kind] of (byOp.get(op) ?? []).entries()) {
      const input = inputs[index + 1];
      if (input !== undefined) kinds.set(input, kind);
    }
    const [src = ""] = inputs;
    const kind = kinds.get(outputs[0] ?? "");
    if (op === "scale" && kind !== undefined) kinds.set(src, kind);
  }
  const raw = new Set(images);
  for (const { op, inputs, outputs } of nodes) {
    if (!preprocessing.has(op) || !raw.has(inputs[0] ?? "")) continue;
    for (const output of outputs) raw.add(output);
    for (const parameter of inputs.slice(1)) kinds.set(parameter, "constant");
  }
  return kinds;
}
