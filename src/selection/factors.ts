/**
 * Scaling factors as data: which parameter, over what structures, with what γ. Kind and layer are written in the names
 * of the `scale` nodes, so a network read back from a file still knows its factors.
 */
import { required } from "../core/errors.ts";
import { filled, type Tensor, tensor } from "../core/tensor.ts";
import { constantChannels } from "../graph/analysis.ts";
import type { Graph, Node, Weights } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";

/** neuron: an output channel of a layer; group: a group of a grouped convolution; block: a residual branch. */
export const factorKinds = ["neuron", "group", "block"] as const;
export type FactorKind = (typeof factorKinds)[number];

/** γ of each kind of factor that is wanted: the strength of its ℓ1 penalty, ≥ 0. */
export interface Selection {
  readonly neurons?: number;
  readonly groups?: number;
  readonly blocks?: number;
}

export const selectionKeys: { readonly neuron: "neurons"; readonly group: "groups"; readonly block: "blocks" } = {
  neuron: "neurons",
  group: "groups",
  block: "blocks",
};

/** The factors of one layer: one parameter `[count]`. */
export interface Factor {
  /** Name of the λ parameter: `<layer>.<kind>.factor`. */
  readonly parameter: string;
  readonly kind: FactorKind;
  /** The layer whose channels are scaled; for a block, the addition that ends it. */
  readonly layer: string;
  readonly count: number;
  readonly gamma: number;
  /** Whether the network would answer every input alike were all of the layer's factors zero. */
  readonly keepLast: boolean;
}

/** Name of the scale node of a layer's factors of one kind. */
export function scaleName(layer: string, kind: FactorKind): string {
  return `${layer}.${kind}`;
}

function kindOf(node: Node): FactorKind | undefined {
  if (node.op !== "scale" || node.attributes.axis !== 1) return undefined;
  return factorKinds.find((kind) => node.name.endsWith(`.${kind}`));
}

/**
 * The factors of a graph, in execution order, read from the names of its `scale` nodes. A graph does not hold γ: it
 * is taken from `selection`, 0 where that has none.
 */
export function factorsOf(graph: Graph, selection: Selection = {}): readonly Factor[] {
  const parameters = new Map(graph.parameters.map((parameter) => [parameter.name, parameter] as const));
  const shapes = inferShapes(graph, 1);
  // With shifts and biases at zero, a value that does not depend on the input is zero.
  const unshifted: Weights = new Map(
    graph.parameters
      .filter(({ kind }) => kind === "bias" || kind === "shift" || kind === "running_mean")
      .map(({ name, shape }) => [name, tensor(shape)]),
  );
  const silences = (value: string): boolean => {
    const zeros = new Float64Array(shapes.get(value)?.[1] ?? 0);
    const constants = constantChannels(graph, shapes, unshifted, new Map([[value, zeros]]));
    return graph.outputs.every(
      (output) => constants.get(output)?.every((constant) => !Number.isNaN(constant)) ?? false,
    );
  };
  return graph.nodes.flatMap((node) => {
    const kind = kindOf(node);
    const parameter = parameters.get(node.inputs[1] ?? "");
    if (kind === undefined || parameter?.kind !== "factor") return [];
    return {
      parameter: parameter.name,
      kind,
      layer: node.name.slice(0, -kind.length - 1),
      count: parameter.shape[0] ?? 0,
      gamma: selection[selectionKeys[kind]] ?? 0,
      keepLast: silences(required(node.outputs[0], `output of "${node.name}"`)),
    };
  });
}

/** What a training step is fed for the factors: `<parameter>.gamma` → γ of each of them, in the shape of λ. */
export function gammaFeeds(factors: readonly Factor[]): Record<string, Tensor> {
  return Object.fromEntries(
    factors.map(({ parameter, count, gamma }) => [`${parameter}.gamma`, filled([count], gamma)] as const),
  );
}
