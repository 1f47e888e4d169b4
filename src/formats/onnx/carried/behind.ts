/**
 * Finds where a network ends in a file whose last nodes are not read: the values that these nodes read. Layers with
 * weights must be read; behind the network there may be no more than decoding.
 */
import type { Constant } from "../folding/constant.ts";
import type { NodeMessage } from "../proto.ts";
import { Dependence, type GraphMessage, valuesRead } from "./parts.ts";

/** Ops of layers: a file with such a node that is not read is refused. */
const layers: ReadonlySet<string> = new Set([
  ...["Conv", "ConvTranspose", "Gemm", "BatchNormalization", "InstanceNormalization", "LayerNormalization"],
  ...["GroupNormalization", "LSTM", "GRU", "RNN", "PRelu", "ConvInteger", "QLinearConv", "MatMulInteger"],
  ...["Attention", "MultiHeadAttention", "If", "Loop", "Scan"],
]);
/** Ops from which a value follows that another output is computed by: the earlier value is learnt. */
const following: ReadonlySet<string> = new Set(["Softmax", "LogSoftmax", "Sigmoid", "Identity", "Cast"]);

/** What reading the whole file has shown. */
export interface Attempt {
  /** Outputs of nodes that could not be read, or that depend on such nodes. */
  readonly unread: ReadonlySet<string>;
  /** Values that depend on constants and shapes alone. */
  readonly constants: ReadonlyMap<string, Constant>;
}

function isLayer({ opType = "", input = [] }: NodeMessage, dependence: Dependence): boolean {
  return layers.has(opType) || (opType === "MatMul" && !input.every((name) => dependence.dependsOnInputs(name)));
}

/** Whether there is a layer before `outputs`, and behind `start` if it is given: without one there is no network. */
export function hasLayer(graph: GraphMessage, outputs: readonly string[], start?: string): boolean {
  const dependence = new Dependence(graph);
  const network = dependence.ancestors(outputs, new Set(start === undefined ? [] : [start]));
  return (graph.node ?? []).some((node, index) => network.has(index) && isLayer(node, dependence));
}

/** The outputs of the network in `graph`; undefined if a layer is not read, or if nothing is read. */
export function networkOutputs(graph: GraphMessage, { unread, constants }: Attempt): readonly string[] | undefined {
  const dependence = new Dependence(graph);
  const nodes = graph.node ?? [];
  const isUnread = ({ output = [] }: (typeof nodes)[number]): boolean => output.some((name) => unread.has(name));
  if (nodes.some((node) => isUnread(node) && isLayer(node, dependence))) return undefined;
  const results = (graph.output ?? []).map(({ name }) => name ?? "");
  const read = nodes.filter(isUnread).flatMap(valuesRead);
  const found = [...new Set([...read, ...results])].filter(
    (name) =>
      dependence.makers.has(name) && dependence.dependsOnInputs(name) && !unread.has(name) && !constants.has(name),
  );
  const all = new Set(found);
  const earlier = (name: string): string | undefined => {
    const node = nodes[dependence.makers.get(name) ?? -1];
    return following.has(node?.opType ?? "") ? node?.input?.[0] : undefined;
  };
  const isComputedFromOther = (name: string): boolean => {
    for (let value = earlier(name); value !== undefined; value = earlier(value)) if (all.has(value)) return true;
    return false;
  };
  const outputs = found.filter((name) => !isComputedFromOther(name));
  return outputs.length > 0 && hasLayer(graph, outputs) ? outputs : undefined;
}
