/** Logits of a file in ONNX Runtime, for files that end in probabilities too. */
import { type Tensor, tensor } from "../core/tensor.ts";
import { networkFile } from "../formats/onnx/carried/network-file.ts";
import { type Graph, takesChannelsLast } from "../graph/graph.ts";
import { endingInLogits } from "../graph/logits.ts";
import { type Classifier, hasLogitsAlone } from "./classifier.ts";
import { runtimeClassifier } from "./runtime-thread.ts";

/**
 * The file at `path`, which was read as `graph`, as a classifier. The file is run as it is. Where it ends in
 * probabilities, their logarithms are logits. Rejects with what `runtimeClassifier` rejects with.
 */
export async function runtimeLogits(path: string, graph: Graph, batch: number, threads = 1): Promise<Classifier> {
  const classifier = await runtimeClassifierOf(path, graph, batch, threads);
  if (!endsInProbabilities(graph)) return classifier;
  return { ...classifier, logits: async (images) => logarithms(await classifier.logits(images)) };
}

/**
 * The network in the file at `path`, which was read as `graph`, as a classifier in ONNX Runtime. Nodes that are
 * carried over unread are not run. Rejects with what `runtimeClassifier` rejects with.
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
    data.map((probability) => Math.log(Math.max(probability, Number.MIN_VALUE))),
  );
}
