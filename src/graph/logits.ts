/**
 * Finds the logits of networks that end in a softmax, in its logarithm or in a sigmoid, because the loss contains these
 * functions already.
 */
import { elementCount } from "../core/tensor.ts";
import { type Graph, makeNode, type Node, producers } from "./graph.ts";
import { withInputs, withoutDeadNodes } from "./rewrite.ts";
import { inferShapes } from "./shapes.ts";

/** Whether `node` is a softmax over the classes, or its logarithm. */
export function isSoftmaxOfClasses(node: Node | undefined): node is Node<"softmax"> {
  return node?.op === "softmax" && (node.attributes.axis ?? 1) === 1;
}

/** What the only number for an image says about the second of two classes: its probability, or its logit. */
export type SingleScore = "probability" | "logit";

/** How the numbers of a classifier's only output are to be read. */
export type AnswerForm = "logits" | "probabilities" | SingleScore;

/** The form of the only output of `graph`. */
export function answerFormOf(graph: Graph): AnswerForm {
  const score = singleScoreOf(graph);
  if (score !== undefined) return score;
  const isScaled = graph.outputs.length === 1 && withoutSoftmax(graph) !== graph;
  const last = graph.nodes.findLast(isSoftmaxOfClasses);
  return isScaled && last?.attributes.isLogarithm !== true ? "probabilities" : "logits";
}

/** How `graph` decides between two classes with one number for each image; undefined if it gives other outputs. */
export function singleScoreOf(graph: Graph): SingleScore | undefined {
  const [output = "", ...others] = graph.outputs;
  const shape = inferShapes(graph, 1).get(output);
  if (others.length > 0 || shape === undefined || elementCount(shape) !== 1) return undefined;
  return lastSigmoid(graph) === undefined ? "logit" : "probability";
}

/** The sigmoid that the only output of `graph` comes from, perhaps with its numbers in another shape. */
export function lastSigmoid(graph: Graph): Node<"activation"> | undefined {
  const [output = "", ...others] = graph.outputs;
  if (others.length > 0) return undefined;
  const makers = producers(graph);
  let node = makers.get(output);
  while (node?.op === "flatten" || node?.op === "reshape") node = makers.get(node.inputs[0] ?? "");
  return node !== undefined && isSigmoid(node) ? node : undefined;
}

/** Whether `node` is a sigmoid, or the straight line that stands for it. */
export function isSigmoid(node: Node): node is Node<"activation"> {
  return node.op === "activation" && ["sigmoid", "hard_sigmoid"].includes(node.attributes.function);
}

/**
 * `graph` with logits [N,classes] as its output; `graph` itself if it ends in them, or has several outputs. Of a
 * network that ends in a softmax, the logits are what the softmax reads. A flatten may follow a softmax over the
 * channels of one pixel, as in Keras' MobileNet. Then the logits are flattened instead. Sigmoids are left out likewise.
 * One number z for each image becomes the logits (0, z) of two classes, so that their cross entropy is that of the
 * sigmoid.
 */
export function endingInLogits(graph: Graph): Graph {
  if (graph.outputs.length !== 1) return graph;
  if (singleScoreOf(graph) !== undefined) return asPair(withoutLastSigmoid(graph));
  const unscaled = withoutSoftmax(graph);
  return unscaled === graph ? withoutLastSigmoid(graph) : unscaled;
}

/** `graph` with the input of its last softmax as its output. */
function withoutSoftmax(graph: Graph): Graph {
  const makers = producers(graph);
  const last = makers.get(graph.outputs[0] ?? "");
  if (isSoftmaxOfClasses(last)) return withoutDeadNodes({ ...graph, outputs: last.inputs.slice(0, 1) });
  const before = last?.op === "flatten" ? makers.get(last.inputs[0] ?? "") : undefined;
  if (!isSoftmaxOfClasses(before)) return graph;
  const [, , ...pixels] = inferShapes(graph, 1).get(before.outputs[0] ?? "") ?? [];
  if (elementCount(pixels) !== 1) return graph;
  const nodes = graph.nodes.map((node) => (node === last ? { ...node, inputs: before.inputs } : node));
  return withoutDeadNodes({ ...graph, nodes });
}

/** `graph` without the sigmoid that its only output comes from; `graph` itself if there is none. */
export function withoutLastSigmoid(graph: Graph): Graph {
  const sigmoid = lastSigmoid(graph);
  if (sigmoid === undefined) return graph;
  const [result = "", logits = ""] = [sigmoid.outputs[0], sigmoid.inputs[0]];
  const names = new Map([[result, logits]]);
  const nodes = graph.nodes.map((node) => withInputs(node, names));
  return withoutDeadNodes({ ...graph, nodes, outputs: graph.outputs.map((name) => names.get(name) ?? name) });
}

/** `graph`, which gives one number z for each image, with (0, z) as its output. */
function asPair(graph: Graph): Graph {
  const [score = ""] = graph.outputs;
  const isFlat = inferShapes(graph, 1).get(score)?.length === 2;
  const [flat, pair] = [`${score}.flat`, `${score}.pair`];
  const flattening = isFlat ? [] : [makeNode("reshape", flat, [score], [flat], { shape: [1] })];
  const padding = { before: [0, 1], after: [0, 0] };
  const node = makeNode("pad", pair, [isFlat ? score : flat], [pair], padding);
  return { ...graph, nodes: [...graph.nodes, ...flattening, node], outputs: [pair] };
}
