/** Logits of a file in ONNX Runtime, for files that end in probabilities too. */
import { type Tensor, tensor } from "../core/tensor.ts";
import { networkFile } from "../formats/onnx/carried/network-file.ts";
import { type Graph, takesChannelsLast } from "../graph/graph.ts";
import { endingInLogits, lastSigmoid, singleScoreOf } from "../graph/logits.ts";
import { type Classifier, hasLogitsAlone } from "./classifier.ts";
import { runtimeClassifier } from "./runtime-thread.ts";
import { inTwoClasses } from "./two-classes.ts";

/**
 * The file at `path`, which was read as `graph`, as a classifier. The file is run as it is. Where it ends in
 * probabilities, their logarithms are logits, of a probability for each class log(p / (1 − p)). One number for each
 * image is read as two classes, unless each output is a label of its own (`isMultiLabel`). Rejects with what
 * `runtimeClassifier` rejects with.
 */
export async function runtimeLogits(
  path: string,
  graph: Graph,
  batch: number,
  threads = 1,
  isMultiLabel = false,
): Promise<Classifier> {
  const plainly = await runtimeClassifierOf(path, graph, batch, threads);
  const classifier = isMultiLabel ? plainly : inTwoClasses(plainly, graph);
  const toLogits = isMultiLabel ? (lastSigmoid(graph) === undefined ? undefined : logOdds) : logitsFrom(graph);
  if (toLogits === undefined) return classifier;
  return { ...classifier, logits: async (...given) => toLogits(await classifier.logits(...given)) };
}

/** The function from the outputs of `graph` to logits; undefined if they are logits. */
function logitsFrom(graph: Graph): ((probabilities: Tensor) => Tensor) | undefined {
  const score = singleScoreOf(graph);
  if (score === "logit") return undefined;
  if (score === "probability") return logarithms;
  if (lastSigmoid(graph) !== undefined) return logOdds;
  return endsInProbabilities(graph) ? logarithms : undefined;
}

/**
 * The network in the file at `path`, which was read as `graph`, as a classifier in ONNX Runtime. Nodes that are
 * copied unchanged are not run. Rejects with what `runtimeClassifier` rejects with.
 */
export async function runtimeClassifierOf(path: string, graph: Graph, batch: number, threads = 1): Promise<Classifier> {
  const file = await networkFile(path, graph);
  try {
    const classifier = await runtimeClassifier(file.path, batch, {
      ...{ channelsLast: takesChannelsLast(graph), threads, inRows: !hasLogitsAlone(graph) },
    });
    return { ...classifier, dispose: () => classifier.dispose().finally(file.dispose) };
  } catch (error) {
    await file.dispose();
    throw error;
  }
}

function endsInProbabilities(graph: Graph): boolean {
  const softmax = graph.nodes.findLast(({ op }) => op === "softmax");
  return softmax?.op === "softmax" && !softmax.attributes.isLogarithm && endingInLogits(graph) !== graph;
}

function logarithms({ shape, data }: Tensor): Tensor {
  return tensor(
    shape,
    data.map((probability) => logarithm(probability)),
  );
}

/** log(p / (1 − p)) of each number p. */
function logOdds({ shape, data }: Tensor): Tensor {
  return tensor(
    shape,
    data.map((probability) => logarithm(probability) - logarithm(1 - probability)),
  );
}

/** The logarithm, and a number for zero too. */
function logarithm(probability: number): number {
  return Math.log(Math.max(probability, Number.MIN_VALUE));
}
