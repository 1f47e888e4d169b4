/**
 * Decides which nodes are fused into one step. A ReLU is fused into the batch norm or addition before it if no other
 * node reads their output. In the backward pass, its mask is applied in the gradient of the batch norm, or in the
 * addition that computes the masked gradient.
 */
import { type Graph, type Node, producers, readers } from "../../../graph/graph.ts";

export interface Fusions {
  /** Node (batch norm or addition) → the ReLU that is fused into it. */
  readonly reluAfter: ReadonlyMap<Node, Node>;
  /** Gradient of a batch norm → the ReLU gradient that is fused into it. */
  readonly reluBackwardBefore: ReadonlyMap<Node, Node>;
  /** Addition of gradients → the following ReLU gradient, which is fused into it. */
  readonly reluBackwardAfter: ReadonlyMap<Node, Node>;
  /** Nodes that are fused into others and have no step of their own. */
  readonly absorbed: ReadonlySet<Node>;
}

export function findFusions(graph: Graph): Fusions {
  const readersOf = readers(graph);
  const producerOf = producers(graph);
  const visible = new Set([...graph.outputs, ...graph.updates.map(({ value }) => value)]);
  const onlyReader = (value: string): Node | undefined => {
    const [reader, ...others] = readersOf.get(value) ?? [];
    return others.length === 0 && !visible.has(value) ? reader : undefined;
  };

  const reluAfter = new Map<Node, Node>();
  const reluBackwardBefore = new Map<Node, Node>();
  const reluBackwardAfter = new Map<Node, Node>();
  const absorbed = new Set<Node>();
  for (const relu of graph.nodes) {
    if (relu.op !== "relu") continue;
    const before = producerOf.get(relu.inputs[0] ?? "");
    const after = relu.outputs[0] ?? "";
    if (before === undefined || onlyReader(before.outputs[0] ?? "") !== relu) continue;
    const backward = (readersOf.get(after) ?? []).filter(
      (node) => node.op === "relu_backward" && node.inputs[0] === after,
    );
    if (before.op === "add") {
      reluAfter.set(before, relu);
      absorbed.add(relu);
    } else if (before.op === "batch_normalization" && backward.length === 0) {
      reluAfter.set(before, relu);
      absorbed.add(relu);
    } else if (before.op === "batch_normalization_training") {
      const gradients = backward.map((node) => onlyReader(node.outputs[0] ?? ""));
      const ownGradient = (node: Node | undefined): node is Node =>
        node?.op === "batch_normalization_training_backward" && node.inputs[1] === before.outputs[1];
      if (!gradients.every(ownGradient)) continue;
      reluAfter.set(before, relu);
      absorbed.add(relu);
      for (const [index, node] of backward.entries()) {
        const gradient = gradients[index];
        if (gradient !== undefined) reluBackwardBefore.set(gradient, node);
        absorbed.add(node);
      }
    }
  }
  for (const node of graph.nodes) {
    if (node.op !== "add") continue;
    const [sum = ""] = node.outputs;
    const reader = onlyReader(sum);
    if (reader?.op !== "relu_backward" || reader.inputs[1] !== sum || absorbed.has(reader)) continue;
    reluBackwardAfter.set(node, reader);
    absorbed.add(reader);
  }
  return { reluAfter, reluBackwardBefore, reluBackwardAfter, absorbed };
}
