/** Logits of networks that end in a softmax, or its logarithm: losses have a softmax of their own. */
import { type Graph, producers } from "./graph.ts";
import { withoutDeadNodes } from "./rewrite.ts";

/** What the softmax reads that makes the first output of `graph`; that output itself if none does. */
export function logitsOf(graph: Graph): string {
  const [output = ""] = graph.outputs;
  const last = producers(graph).get(output);
  return last?.op === "softmax" ? (last.inputs[0] ?? output) : output;
}

/** `graph`, which has one output, with the logits for that. */
export function endingInLogits(graph: Graph): Graph {
  const logits = logitsOf(graph);
  return graph.outputs.includes(logits) ? graph : withoutDeadNodes({ ...graph, outputs: [logits] });
}
