/** An embedding of photos in vectors of length 1, in which the nearest neighbour should show the same kind of thing. */
import { taughtInput } from "../../src/autodiff/loss.ts";
import { required } from "../../src/core/errors.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { rowOf } from "../../src/evaluation/classifier.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { photos } from "../shared/photos.ts";
import { block, normalizationText, sureOf, type Task } from "./task.ts";

const CLASSES = 10;
const FEATURES = 32;
/** Cosines are at most 1: as logits they are divided by this. */
const TEMPERATURE = 0.1;
const normalization = { mean: [0.4914, 0.4822, 0.4465], standardDeviation: [0.247, 0.2435, 0.2616] } as const;

/** The embedding; `withProxies` compares it with a vector for each class, which training needs. */
function network(withProxies: boolean): Graph {
  const builder = new GraphBuilder("embedding");
  let value = builder.input("images", ["N", 3, 32, 32]);
  for (const [index, channels] of [24, 48, 96].entries()) {
    value = block(builder, `block${index + 1}`, value, channels);
    value = builder.maxPooling(`pool${index + 1}`, value, { kernel: 2, strides: 2 });
  }
  const last = block(builder, "last", value, 128);
  const flat = builder.flatten("flat", builder.globalAveragePooling("mean", last));
  const features = builder.linear("features", flat, FEATURES);
  const length = builder.reduction("length", features, { function: "l2", axes: [1], keepsAxes: true });
  const embedding = builder.binary("embedding", features, length, { function: "divide" });
  builder.output(withProxies ? builder.linear("proxies", embedding, CLASSES, { bias: false }) : embedding);
  return builder.build();
}

/** Percent of the pictures whose nearest other picture has the same class. */
function recall(embeddings: Tensor, labels: Int32Array): number {
  let right = 0;
  for (const [image, label] of labels.entries()) {
    const own = rowOf(embeddings, image);
    let [best, nearest] = [Number.NEGATIVE_INFINITY, -1];
    for (const other of labels.keys()) {
      if (other === image) continue;
      const cosine = rowOf(embeddings, other).reduce((sum, value, index) => sum + value * (own[index] ?? 0), 0);
      if (cosine > best) [best, nearest] = [cosine, other];
    }
    if (labels[nearest] === label) right++;
  }
  return (100 * right) / labels.length;
}

export async function embedding(): Promise<Task> {
  const [learnt, held] = [await photos(0, 8192), await photos(40_000, 1024)];
  const graph = network(false);
  return {
    ...{ name: "embedding", learnt, held, normalization },
    lesson: {
      graph: network(true),
      terms: [{ kind: "logits", weight: TEMPERATURE ** -2, temperature: TEMPERATURE }],
      ...{ epochs: 12, peak: 0.1, augmentation: { pad: 4, flip: true } },
      feeds: (index) => ({ [taughtInput("proxies")]: sureOf(learnt.labels[index] ?? 0, CLASSES) }),
    },
    file: (weights) => writeOnnx({ graph, weights }, { metadata: { normalization: normalizationText(normalization) } }),
    halving: { epochs: 5 },
    scores: (outputs) => ({
      "recall@1": { value: recall(required(outputs.get("embedding"), "embedding"), held.labels), unit: "%" },
    }),
  };
}
