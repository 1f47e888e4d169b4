/** Logits of a file in ONNX Runtime, for files that end in probabilities too. */
import { type Tensor, tensor } from "../core/tensor.ts";
import { type Graph, takesChannelsLast } from "../graph/graph.ts";
import { endingInLogits } from "../graph/logits.ts";
import type { Classifier } from "./classifier.ts";
import { runtimeClassifier } from "./runtime-thread.ts";

/**
 * The file at `path`, which was read as `graph`, as a classifier. The file is run as it is. Where it ends in
 * probabilities, their logarithms are logits. Rejects with what `runtimeClassifier` rejects with.
 */
export async function runtimeLogits(path: string, graph: Graph, batch: number, threads = 1): Promise<Classifier> {
  const classifier = await runtimeClassifier(path, batch, { channelsLast: takesChannelsLast(graph), threads });
  if (!endsInProbabilities(graph)) return classifier;
  return { ...classifier, logits: async (images) => logarithms(await classifier.logits(images)) };
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
