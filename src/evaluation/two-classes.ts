/** Reads networks that decide between two classes with one number for each image as classifiers of two classes. */
import { type Tensor, tensor } from "../core/tensor.ts";
import type { Graph } from "../graph/graph.ts";
import { type SingleScore, singleScoreOf } from "../graph/logits.ts";
import type { Classifier } from "./classifier.ts";

/**
 * `classifier`, which runs `graph`, with two numbers for each image instead of one: of a probability p of the second
 * class (1 − p, p), of a logit z (0, z). `classifier` itself if `graph` gives other outputs.
 */
export function inTwoClasses(classifier: Classifier, graph: Graph): Classifier {
  const score = singleScoreOf(graph);
  if (score === undefined) return classifier;
  return { ...classifier, logits: async (...given) => pairsOf(await classifier.logits(...given), score) };
}

function pairsOf({ data }: Tensor, score: SingleScore): Tensor {
  const pairs = tensor([data.length, 2]);
  for (const [row, value] of data.entries()) {
    pairs.data[2 * row] = score === "probability" ? 1 - value : 0;
    pairs.data[2 * row + 1] = value;
  }
  return pairs;
}

/** How the one number of `graph` is read for data of these `classes`, as a sentence; undefined if it gives others. */
export function singleScoreNote(graph: Graph, classes: readonly string[]): string | undefined {
  const score = singleScoreOf(graph);
  const [first, second, ...others] = classes;
  if (score === undefined || first === undefined || second === undefined || others.length > 0) return undefined;
  const below = score === "probability" ? "0.5" : "0";
  return (
    `The network's one output is read as the ${score} of "${second}", the second class: ` +
    `below ${below} the answer is "${first}"`
  );
}
