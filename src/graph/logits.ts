/**
 * Finds the logits of networks that end in a softmax or its logarithm, because the loss contains the softmax already.
 */
import { elementCount } from "../core/tensor.ts";
import { type Graph, type Node, producers } from "./graph.ts";
import { withoutDeadNodes } from "./rewrite.ts";
import { inferShapes } from "./shapes.ts";

/** Whether `node` is a softmax over the classes, or its logarithm. */
export function isSoftmaxOfClasses(node: Node | undefined): node is Node<"softmax"> {
  return node?.op === "softmax" && (node.attributes.axis ?? 1) === 1;
}

/**
 * `graph` with the input of its last softmax as its output; `graph` itself if it does not end in a softmax, or has
 * several outputs. A flatten may follow a softmax over the channels of one pixel, as in Keras' MobileNet. Then the
 * logits are flattened instead.
 */
export function endingInLogits(graph: Graph): Graph {
  const [output = "", ...others] = graph.outputs;
  if (others.length > 0) return graph;
  const makers = producers(graph);
  const last = makers.get(output);
  if (isSoftmaxOfClasses(last)) return withoutDeadNodes({ ...graph, outputs: last.inputs.slice(0, 1) });
  const before = last?.op === "flatten" ? makers.get(last.inputs[0] ?? "") : undefined;
  if (!isSoftmaxOfClasses(before)) return graph;
  const [, , ...pixels] = inferShapes(graph, 1).get(before.outputs[0] ?? "") ?? [];
  if (elementCount(pixels) !== 1) return graph;
  const nodes = graph.nodes.map((node) => (node === last ? { ...node, inputs: before.inputs } : node));
  return withoutDeadNodes({ ...graph, nodes });
}
