/** Helpers for graph rewrites: renaming the inputs of nodes, and removing nodes without readers. */
import { type Graph, type Node, producers } from "./graph.ts";

/** `node` with its inputs renamed by `names`; `node` itself if no input changes. */
export function withInputs<N extends Node>(node: N, names: ReadonlyMap<string, string>): N {
  if (!node.inputs.some((input) => names.has(input))) return node;
  return { ...node, inputs: node.inputs.map((input) => names.get(input) ?? input) };
}

/** `nodes`, in execution order, without those that neither a later node nor `outputs` read. */
export function withoutUnread(nodes: readonly Node[], outputs: readonly string[]): readonly Node[] {
  const read = new Set(outputs);
  const kept = nodes.toReversed().filter((node) => {
    const isKept = node.outputs.some((output) => read.has(output));
    if (isKept) for (const input of node.inputs) read.add(input);
    return isKept;
  });
  return kept.toReversed();
}

/** `graph` without nodes that no output or update depends on, and without parameters that no remaining node reads. */
export function withoutDeadNodes(graph: Graph): Graph {
  const makers = producers(graph);
  const alive = new Set<Node>();
  const pending = [...graph.outputs, ...graph.updates.map(({ value }) => value)];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    const node = makers.get(value);
    if (node === undefined || alive.has(node)) continue;
    alive.add(node);
    pending.push(...node.inputs);
  }
  const nodes = graph.nodes.filter((node) => alive.has(node));
  const read = new Set([
    ...nodes.flatMap(({ inputs }) => inputs),
    ...graph.outputs,
    ...graph.updates.map(({ parameter }) => parameter),
  ]);
  return { ...graph, nodes, parameters: graph.parameters.filter(({ name }) => read.has(name)) };
}
