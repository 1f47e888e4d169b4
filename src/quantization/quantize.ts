/**
 * Quantises a trained network to 8 bits without training it again. Ranges are observed on training images. Each method
 * of finding ranges gives a candidate. ONNX Runtime runs all candidates on other training images, and the one whose
 * answers are nearest to those of the network is taken. If that one loses too much accuracy, layers go back to floats,
 * the most sensitive one first.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { requireArguments } from "../core/arguments.ts";
import { required, UserError } from "../core/errors.ts";
import { unknownName } from "../core/names.ts";
import { optional } from "../core/optional.ts";
import type { Tensor } from "../core/tensor.ts";
import { type Dataset, firstImages, type Split } from "../data/dataset.ts";
import { accuracyOf } from "../evaluation/accuracy.ts";
import { type Answers, answersOf, engineClassifier, type Host } from "../evaluation/classifier.ts";
import { compareLabelSets } from "../evaluation/compare-label-sets.ts";
import { compareLogits } from "../evaluation/comparison.ts";
import { type LabelReading, labelReadingOf } from "../evaluation/label-scores.ts";
import { requireOnnxRuntime } from "../evaluation/runtime-library.ts";
import { runtimeLogits } from "../evaluation/runtime-logits.ts";
import { saveOnnx } from "../formats/onnx/index.ts";
import type { Graph, Network } from "../graph/graph.ts";
import { endingInLogits, withoutLastSigmoid } from "../graph/logits.ts";
import { calibrationImages } from "./calibration-images.ts";
import { meanDivergence, meanLabelDivergence } from "./divergence.ts";
import { integerForm } from "./integer-forms.ts";
import { integerReady } from "./integer-ready.ts";
import { forward, type Observed, observe } from "./observe.ts";
import { type QuantizedNetwork, quantizeGraph } from "./quantize-graph.ts";
import { type RangeMethod, rangeMethods, rangeOf } from "./ranges.ts";

/** What `quantize` is doing, for a progress line. */
export interface QuantizeProgress {
  readonly phase: "observing" | "comparing" | "searching";
  /** The candidate or layer that is tried; "" while observing. */
  readonly of: string;
  readonly done: number;
  readonly total: number;
}

export interface QuantizeOptions {
  /** The engine that runs the network on calibration images. */
  readonly host: Host;
  /** The data that the network was trained on. Only its training images are used. */
  readonly dataset: Dataset;
  /** Calibration images; default 512, or half of the training images if there are fewer than 1024. */
  readonly images?: number;
  /** Training images on which candidates are compared, at most; default 2000. */
  readonly heldOut?: number;
  /** Names of layers that stay on floats; default: none. */
  readonly keep?: readonly string[];
  /** Points of accuracy on the held-out images that may be lost before more layers stay on floats; default 0.3. */
  readonly maxLoss?: number;
  /** Whether weights have 7 bits, for processors without VNNI, whose sums of products saturate; default false. */
  readonly reduceRange?: boolean;
  readonly onProgress?: (progress: QuantizeProgress) => void;
}

/** How far a quantised network is from the original on the held-out images. */
export interface CandidateScore {
  readonly method: RangeMethod;
  /** Percent. */
  readonly accuracy: number;
  /** Percent of the images that both answer alike. */
  readonly agreement: number;
  /** Mean Kullback-Leibler divergence of the class probabilities, in nats. */
  readonly divergence: number;
}

export interface KeptLayer {
  readonly name: string;
  readonly reason: "asked for" | "sensitive";
}

export interface Quantized extends QuantizedNetwork {
  /** The method whose candidate is nearest to the original. */
  readonly method: RangeMethod;
  readonly candidates: readonly CandidateScore[];
  /** The result on the held-out images; `original` is the accuracy of the network there, in percent. */
  readonly score: CandidateScore & { readonly original: number };
  /** Layers that stay on floats. */
  readonly kept: readonly KeptLayer[];
  readonly images: { readonly calibration: number; readonly heldOut: number };
}

const batch = 100;
/** Sensitive layers are ranked on so many of the held-out images. */
const rankingImages = 512;

/**
 * Quantises `network`; see `QuantizeOptions`. Write the result with `saveOnnx(result.network, path, { quantization:
 * result.quantization })`.
 * @throws UserError "engine-missing" without ONNX Runtime, "unknown-name" for a layer in `keep` that there is not,
 * "bad-option" for too few calibration images or images of one class, "unsupported" if no layer has an integer form.
 */
export async function quantize(network: Network, options: QuantizeOptions): Promise<Quantized> {
  requireArguments("quantize", { network: [network, "network"], options: [options, "object"] });
  const { host, dataset, images, heldOut: others, keep = [], maxLoss = 0.3 } = options;
  requireArguments("quantize", {
    ...{ "options.host": [host, "engine"], "options.dataset": [dataset, "dataset"], "options.keep": [keep, "texts"] },
    ...{ "options.images": [images, "positive whole number?"], "options.heldOut": [others, "positive whole number?"] },
    ...{ "options.maxLoss": [maxLoss, "number"], "options.onProgress": [options.onProgress, "function?"] },
  });
  requireOnnxRuntime();
  const ready = integerReady(network);
  const layers = layersOf(ready.graph);
  for (const name of keep) if (!layers.includes(name)) throw unknownName("layer", name, layers);
  if (layers.every((name) => keep.includes(name))) {
    throw new UserError("unsupported", "no layer is left that could compute on integers", {
      about: ready.graph.name,
      hint: "Give a network with convolutions or linear layers, and keep fewer of them",
    });
  }
  const split = calibrationImages(dataset, optional({ images, heldOut: others }));
  const folder = await mkdtemp(join(tmpdir(), "espalier-quantize-"));
  try {
    const search = new Search(ready, split.heldOut, options, folder);
    const observed = await observe(host, ready, split.calibration, dataset.normalization, (done, total) =>
      options.onProgress?.({ phase: "observing", of: "", done, total }),
    );
    await search.askOriginal();
    const candidates: Scored[] = [];
    for (const [index, method] of rangeMethods.entries()) {
      options.onProgress?.({ phase: "comparing", of: method, done: index, total: rangeMethods.length });
      candidates.push(await search.score({ observed, method, keep }));
    }
    const [nearest] = candidates.toSorted((a, b) => a.score.divergence - b.score.divergence);
    const found = await search.within(maxLoss, observed, required(nearest, "a candidate"), layers);
    return {
      ...found.quantized,
      method: found.score.method,
      candidates: candidates.map(({ score }) => score),
      score: { ...found.score, original: search.accuracy },
      kept: found.keep.map((name) => ({ name, reason: keep.includes(name) ? "asked for" : "sensitive" })),
      images: { calibration: split.calibration.count, heldOut: split.heldOut.count },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Names of the nodes with weights that have an integer form. */
function layersOf({ nodes }: Graph): readonly string[] {
  return nodes.filter((node) => integerForm(forward(node)) === "layer").map(({ name }) => name);
}

interface Candidate {
  readonly observed: ReadonlyMap<string, Observed>;
  readonly method: RangeMethod;
  readonly keep: readonly string[];
}

interface Scored {
  readonly keep: readonly string[];
  readonly quantized: QuantizedNetwork;
  readonly score: CandidateScore;
}

class Search {
  readonly #network: Network;
  readonly #heldOut: Split;
  readonly #options: QuantizeOptions;
  readonly #file: string;
  #original: Answers | undefined;

  constructor(network: Network, heldOut: Split, options: QuantizeOptions, folder: string) {
    this.#network = network;
    this.#heldOut = heldOut;
    this.#options = options;
    this.#file = join(folder, "candidate.onnx");
  }

  /** Accuracy of the original on the held-out images. */
  get accuracy(): number {
    return accuracyOf(required(this.#original, "answers"), this.#reading).accuracy;
  }

  /** How outputs are read as sets of labels, if images may have several. */
  get #reading(): LabelReading | undefined {
    return labelReadingOf(this.#options.dataset, withoutLastSigmoid(this.#network.graph));
  }

  async askOriginal(): Promise<void> {
    const { host, dataset } = this.#options;
    const { graph: whole } = this.#network;
    const graph = this.#reading === undefined ? endingInLogits(whole) : withoutLastSigmoid(whole);
    const classifier = await engineClassifier(host, { graph, weights: this.#network.weights }, batch);
    try {
      this.#original = await answersOf(classifier, this.#heldOut, dataset.normalization);
    } finally {
      await classifier.dispose();
    }
  }

  /** The candidate, and how near it is on the first `images` of the held-out images. */
  async score({ observed, method, keep }: Candidate, images = this.#heldOut.count): Promise<Scored> {
    const { dataset, reduceRange = false } = this.#options;
    const quantized = quantizeGraph(this.#network, {
      ranges: new Map([...observed].map(([value, seen]) => [value, rangeOf(seen, method)])),
      keep: new Set(keep),
      largestWeight: reduceRange ? 63 : 127,
    });
    await saveOnnx(quantized.network, this.#file, { quantization: quantized.quantization });
    const reading = this.#reading;
    const isMultiLabel = reading !== undefined;
    const { graph } = this.#network;
    const classifier = await runtimeLogits(this.#file, graph, batch, availableParallelism(), isMultiLabel);
    try {
      const answers = await answersOf(classifier, firstImages(this.#heldOut, images), dataset.normalization);
      const original = firstRows(required(this.#original, "answers").logits, answers.labels.length);
      const { sameAnswers } =
        reading === undefined
          ? compareLogits(original, answers.logits)
          : compareLabelSets(original, answers.logits, reading.threshold);
      const score = {
        method,
        accuracy: accuracyOf(answers, reading).accuracy,
        agreement: (100 * sameAnswers) / answers.labels.length,
        divergence: (isMultiLabel ? meanLabelDivergence : meanDivergence)(original, answers.logits),
      };
      return { keep, quantized, score };
    } finally {
      await classifier.dispose();
    }
  }

  /** `start`, with as many sensitive layers on floats as it takes to lose at most `maxLoss` points. */
  async within(
    maxLoss: number,
    observed: Candidate["observed"],
    start: Scored,
    layers: readonly string[],
  ): Promise<Scored> {
    let scored = start;
    const { method } = start.score;
    const isWithin = (): boolean => this.accuracy - scored.score.accuracy <= maxLoss;
    if (isWithin()) return scored;
    const ranked: { name: string; divergence: number }[] = [];
    const others = layers.filter((name) => !start.keep.includes(name));
    for (const [index, name] of others.entries()) {
      this.#options.onProgress?.({ phase: "searching", of: name, done: index, total: others.length });
      const { score } = await this.score({ observed, method, keep: [...start.keep, name] }, rankingImages);
      ranked.push({ name, divergence: score.divergence });
    }
    for (const { name } of ranked.toSorted((a, b) => a.divergence - b.divergence)) {
      const keep: readonly string[] = [...scored.keep, name];
      this.#options.onProgress?.({ phase: "searching", of: name, done: keep.length, total: layers.length });
      scored = await this.score({ observed, method, keep });
      if (isWithin()) break;
    }
    return scored;
  }
}

function firstRows({ shape, data }: Tensor, rows: number): Tensor {
  const [, columns = 0] = shape;
  return { dtype: "f32", shape: [rows, columns], data: data.subarray(0, rows * columns) };
}
