/**
 * Splits a graph into the layers that a latency table has times of. A layer is a node together with the elementwise
 * functions that directly follow it, because runtimes compute those with it: a batch norm is multiplied into a
 * convolution's weights, and an activation is applied to each result before it is stored.
 */
import type { Shape } from "../core/tensor.ts";
import { hasWeights } from "../graph/cost.ts";
import { type Graph, type Node, readers } from "../graph/graph.ts";
import type { ForwardOpName } from "../graph/ops.ts";
import { withInputs } from "../graph/rewrite.ts";
import { inferShapes } from "../graph/shapes.ts";

/** A layer of a graph, as a runtime computes it. */
export interface TimedLayer {
  /** The key of its times in a table: the op, its attributes, the pixels and the activation, but no widths. */
  readonly key: string;
  /** The node that the layer starts with. */
  readonly node: string;
  /** All nodes of the layer, in execution order. */
  readonly members: readonly string[];
  /** The value that the first node computes. Its channels are the layer's outputs. */
  readonly value: string;
  /** Output channels. */
  readonly outputs: number;
  /** The second dimension of the weights: input channels, of one group if the layer is grouped. 1 without weights. */
  readonly inputs: number;
}

/** Functions of one value and one channel, which may belong to the layer before them. */
const elementwise: ReadonlySet<string> = new Set<ForwardOpName>([
  ...(["batch_normalization", "bias", "gain", "relu", "clip", "activation"] as const),
]);

/** The layers of `graph` in execution order. Scaling factors take no time, because they are folded into weights. */
export function timedLayers(graph: Graph): readonly TimedLayer[] {
  const plain = withoutFactors(graph);
  const shapes = inferShapes(graph, 1);
  const readersOf = readers(plain);
  const layers: { first: Node; members: Node[] }[] = [];
  /** Last value of a layer → the layer. */
  const ending = new Map<string, { first: Node; members: Node[] }>();
  for (const node of plain.nodes) {
    const [src = "", ...others] = node.inputs;
    const before = ending.get(src);
    const isOnlyReader = readersOf.get(src)?.length === 1 && !plain.outputs.includes(src) && !others.includes(src);
    const layer =
      before !== undefined && isOnlyReader && elementwise.has(node.op) ? before : { first: node, members: [] };
    if (layer !== before) layers.push(layer);
    layer.members.push(node);
    for (const output of node.outputs) ending.set(output, layer);
  }
  return layers.map(({ first, members }) => layerOf(first, members, shapes));
}

/** `graph` without the scale nodes of factors: their readers read what they scale. */
export function withoutFactors(graph: Graph): Graph {
  const names = new Map<string, string>();
  const nodes = graph.nodes.flatMap((original): Node[] => {
    const node = withInputs(original, names);
    const [src = ""] = node.inputs;
    if (node.op !== "scale") return [node];
    for (const output of node.outputs) names.set(output, src);
    return [];
  });
  return { ...graph, nodes, outputs: graph.outputs.map((output) => names.get(output) ?? output) };
}

function layerOf(first: Node, members: readonly Node[], shapes: ReadonlyMap<string, Shape>): TimedLayer {
  const [value = ""] = first.outputs;
  const dst = shapes.get(value) ?? [];
  const src = shapes.get(first.inputs[0] ?? "") ?? [];
  const [outputs = 1, inputs = 1] = hasWeights(first) ? (shapes.get(first.inputs[1] ?? "") ?? []) : [dst[1] ?? 1, 1];
  // An activation of an activation is the same one where pruning took away what was between them.
  const activations = new Set(members.slice(1).flatMap(activationOf));
  return {
    key: [...wordsOf(first, shapes), pixelsOf(src, dst), ...activations].filter((word) => word !== "").join(", "),
    node: first.name,
    members: members.map(({ name }) => name),
    value,
    outputs,
    inputs,
  };
}

/** One number if all are equal. */
function briefly(extents: readonly number[]): string {
  return extents.every((extent) => extent === extents[0]) ? `${extents[0]}` : extents.join("x");
}

/** The op with the attributes that its time depends on. */
function wordsOf(node: Node, shapes: ReadonlyMap<string, Shape>): readonly string[] {
  const name = node.op.replaceAll("_", " ");
  switch (node.op) {
    case "convolution":
    case "deconvolution": {
      const { strides, dilation, groups } = node.attributes;
      const [outputs = 0, inputs = 0, ...kernel] = shapes.get(node.inputs[1] ?? "") ?? [];
      const kind = groups === 1 ? name : inputs === 1 && outputs === groups ? `depthwise ${name}` : `grouped ${name}`;
      return [
        `${kind} ${kernel.join("x")}`,
        briefly(strides) === "1" ? "" : `stride ${briefly(strides)}`,
        briefly(dilation) === "1" ? "" : `dilation ${briefly(dilation)}`,
      ];
    }
    case "max_pooling":
    case "average_pooling": {
      const { kernel, strides } = node.attributes;
      return [`${name} ${kernel.join("x")}`, `stride ${briefly(strides)}`];
    }
    case "activation":
      return activationOf(node);
    default:
      return [name];
  }
}

const activations: ReadonlySet<string> = new Set([
  "relu",
  "clip",
  "sigmoid",
  "tanh",
  "leaky relu",
  "hard sigmoid",
  "hard swish",
  "gelu",
  "linear",
  ...["erf", "softplus", "softsign", "mish", "exponential", "logarithm", "absolute", "reciprocal", "square root"],
  ...["elu", "celu", "selu", "power"],
]);

/** `key` without the activations behind the layer. */
export function withoutActivations(key: string): string {
  const [first = "", ...others] = key.split(", ");
  return [first, ...others.filter((word) => !activations.has(word))].join(", ");
}

/** The activation that `node` applies; none for a node that a runtime folds into weights. */
function activationOf(node: Node): readonly string[] {
  if (node.op === "activation") return [node.attributes.function.replaceAll("_", " ")];
  return node.op === "relu" || node.op === "clip" ? [node.op] : [];
}

/** `32x32`, or `32x32 to 16x16`; empty without pixels. */
function pixelsOf([, , ...src]: Shape, [, , ...dst]: Shape): string {
  const [before, after] = [src.join("x"), dst.join("x")];
  return before === after || before === "" || after === "" ? after || before : `${before} to ${after}`;
}
