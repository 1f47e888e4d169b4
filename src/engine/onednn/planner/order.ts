/**
 * The order of a plan's steps. A convolution evicts the code and data of small steps from the caches, so a small step
 * between two convolutions takes ten times as long as beside other small steps. Steps on vectors (folding factors
 * into weights, and its gradients) are therefore grouped.
 */
import type { Shape } from "../../../core/tensor.ts";
import { type Graph, type Node, readers } from "../../../graph/graph.ts";
import type { OpName } from "../../../graph/ops.ts";

/** Ops that are not moved: all-reduces overlap with the backward pass. */
const fixed: ReadonlySet<OpName> = new Set<OpName>(["all_reduce_begin", "all_reduce_end", "all_reduce_statistics"]);

/**
 * Groups the nodes of `graph` on vectors: at the start if they only read parameters and inputs, and before the first
 * update of a parameter if only updates need them. Values and results stay the same.
 */
export function gatherVectors(graph: Graph, shapes: ReadonlyMap<string, Shape>): Graph {
  const updated = new Set(graph.updates.map(({ value }) => value));
  const firstUpdate = graph.nodes.findIndex(({ outputs }) => outputs.some((output) => updated.has(output)));
  const body = firstUpdate < 0 ? graph.nodes : graph.nodes.slice(0, firstUpdate);
  const updates = firstUpdate < 0 ? [] : graph.nodes.slice(firstUpdate);
  const isOfVectors = ({ op, inputs, outputs }: Node): boolean =>
    !fixed.has(op) && [...inputs, ...outputs].every((value) => (shapes.get(value)?.length ?? 0) <= 1);

  const known = new Set([...graph.parameters, ...graph.inputs].map(({ name }) => name));
  const early = new Set<Node>();
  for (const node of body) {
    if (!isOfVectors(node) || !node.inputs.every((input) => known.has(input))) continue;
    early.add(node);
    for (const output of node.outputs) known.add(output);
  }
  const readersOf = readers(graph);
  const postponed = new Set<Node>(updates);
  for (const node of body.toReversed()) {
    const isNeeded = node.outputs.some((output) => graph.outputs.includes(output));
    if (early.has(node) || isNeeded || !isOfVectors(node)) continue;
    const reading = node.outputs.flatMap((output) => readersOf.get(output) ?? []);
    if (reading.every((reader) => postponed.has(reader))) postponed.add(node);
  }
  const nodes = [
    ...early,
    ...body.filter((node) => !early.has(node) && !postponed.has(node)),
    ...body.filter((node) => postponed.has(node)),
    ...updates,
  ];
  return { ...graph, nodes };
}
