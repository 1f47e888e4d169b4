/** A quantised file against the file it was made from: accuracy on all test images, size, and latency in turns. */
import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { requireArguments } from "../core/arguments.ts";
import type { Dataset } from "../data/dataset.ts";
import { accuracyOf } from "../evaluation/accuracy.ts";
import { type Answers, answersOf } from "../evaluation/classifier.ts";
import { compareLabelSets } from "../evaluation/compare-label-sets.ts";
import { compareLogits } from "../evaluation/comparison.ts";
import { labelReadingOf } from "../evaluation/label-scores.ts";
import type { Latency } from "../evaluation/latency.ts";
import { onnxRuntimeVersion } from "../evaluation/runtime-library.ts";
import { runtimeLogits } from "../evaluation/runtime-logits.ts";
import { floatNodes, profileFile } from "../evaluation/runtime-profile.ts";
import { measureLatencyAside } from "../evaluation/runtime-thread.ts";
import type { Graph } from "../graph/graph.ts";
import { withoutLastSigmoid } from "../graph/logits.ts";

export interface ComparedFile {
  readonly file: string;
  readonly bytes: number;
  /** Percent of the test images. */
  readonly accuracy: number;
}

export interface QuantizedComparison {
  readonly original: ComparedFile;
  readonly quantized: ComparedFile;
  /** Test images. */
  readonly images: number;
  /** Percent of the test images that both files answer alike. */
  readonly agreement: number;
  /** Each entry: the latency of both files, batch 1, on one thread and on all. */
  readonly latencies: readonly { readonly original: Latency; readonly quantized: Latency }[];
  readonly onnxRuntime: string;
  /** Nodes that ONNX Runtime computes with floats in the quantised file. */
  readonly floats: readonly { readonly name: string; readonly op: string }[];
}

export interface CompareOptions {
  /** The network of both files. */
  readonly graph: Graph;
  readonly dataset: Dataset;
  readonly onProgress?: (of: string) => void;
}

const batch = 100;
const rounds = 100;

/**
 * Compares the files at `original` and `quantized` in ONNX Runtime, on all test images of the dataset. Throws
 * `UserError("engine-missing")` without ONNX Runtime, and what loading a file throws.
 */
export async function compareQuantized(
  original: string,
  quantized: string,
  options: CompareOptions,
): Promise<QuantizedComparison> {
  requireArguments("compareQuantized", {
    ...{ original: [original, "text"], quantized: [quantized, "text"], options: [options, "object"] },
  });
  const { graph, dataset, onProgress = () => {} } = options;
  requireArguments("compareQuantized", {
    ...{ "options.graph": [graph, "graph"], "options.dataset": [dataset, "dataset"] },
    "options.onProgress": [onProgress, "function"],
  });
  onProgress("scoring the original on all test images");
  const before = await answersOfFile(original, options);
  onProgress("scoring the quantised file on all test images");
  const after = await answersOfFile(quantized, options);
  const latencies = [];
  for (const threads of new Set([1, availableParallelism()])) {
    onProgress(`timing both files in turns, ${threads === 1 ? "one thread" : `${threads} threads`}`);
    const [ofOriginal, ofQuantized] = await measureLatencyAside([original, quantized], { threads, rounds });
    if (ofOriginal !== undefined && ofQuantized !== undefined) {
      latencies.push({ original: ofOriginal, quantized: ofQuantized });
    }
  }
  const reading = labelReadingOf(dataset, withoutLastSigmoid(graph));
  const { sameAnswers, images } =
    reading === undefined
      ? compareLogits(before.logits, after.logits)
      : compareLabelSets(before.logits, after.logits, reading.threshold);
  const facts = async (file: string, answers: Answers): Promise<ComparedFile> => ({
    file,
    bytes: (await stat(file)).size,
    accuracy: accuracyOf(answers, reading).accuracy,
  });
  return {
    original: await facts(original, before),
    quantized: await facts(quantized, after),
    images,
    agreement: (100 * sameAnswers) / images,
    latencies,
    onnxRuntime: onnxRuntimeVersion(),
    floats: floatNodes(await profileFile(quantized, { runs: 1, batch: 1 })).map(({ name, op }) => ({ name, op })),
  };
}

async function answersOfFile(file: string, { graph, dataset }: CompareOptions): Promise<Answers> {
  const { test, normalization, labelSets } = dataset;
  const [images, threads] = [Math.min(batch, test.count), availableParallelism()];
  const classifier = await runtimeLogits(file, graph, images, threads, labelSets !== undefined);
  try {
    return await answersOf(classifier, test, normalization);
  } finally {
    await classifier.dispose();
  }
}
