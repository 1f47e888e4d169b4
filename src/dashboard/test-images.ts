/** Sends images of a run's test split to the page, and the preprocessing that its networks need. */
import { required, UserError } from "../core/errors.ts";
import { evaluationBatches } from "../data/evaluation-batches.ts";
import { datasetReference } from "../data/references.ts";
import { answerFormOf } from "../graph/logits.ts";
import { openData } from "../training/start/data/run-data.ts";
import { recordIn, wholeNetwork } from "./network.ts";
import type { TestImages } from "./protocol.ts";

const IMAGES = 16;

async function readImages(folder: string, input: readonly number[]): Promise<TestImages | undefined> {
  const record = await recordIn(folder);
  if (record === undefined) return undefined;
  const { data, settings } = record;
  if (settings.task === "multi-label") {
    throw new UserError("unsupported", "the page shows one class as the answer, and these images may have several", {
      about: record.name,
      hint: "Score the network with espalier eval",
    });
  }
  const network = await wholeNetwork(folder);
  if ((network?.graph.inputs.length ?? 1) > 1) {
    throw new UserError("unsupported", "the page gives a network images alone, and this one takes more inputs", {
      about: record.name,
      hint: "Score the network with espalier eval",
    });
  }
  const options = data.preparation === undefined ? {} : { images: { ...data.preparation, classes: data.classes } };
  const [channels = 3, height = 0, width = 0] = input;
  const shape = [channels, height, width] as const;
  const { dataset } = await openData(datasetReference(data.source, options), settings, shape);
  const { mean, standardDeviation } = dataset.normalization;
  const batch = Math.min(IMAGES, dataset.test.count);
  const answers = network === undefined ? "logits" : answerFormOf(network.graph);
  const about = { shape, classes: data.classes, answers, mean, standardDeviation };
  for await (const { images, labels, count } of evaluationBatches(dataset.test, dataset.normalization, batch)) {
    const size = channels * height * width;
    return {
      ...about,
      images: Array.from({ length: count }, (_, index) => ({
        label: required(labels.data[index], "a label"),
        pixels: Buffer.from(pixelsOf(images.data.subarray(index * size, (index + 1) * size), about)).toString("base64"),
      })),
    };
  }
  return { ...about, images: [] };
}

/** Converts normalised values back to 8 bits. This is exact for images that were stored with 8 bits. */
function pixelsOf(
  values: Float32Array,
  { shape: [, height, width], mean, standardDeviation }: Pick<TestImages, "shape" | "mean" | "standardDeviation">,
): Uint8Array {
  return Uint8Array.from(values, (value, index) => {
    const channel = Math.floor(index / (height * width));
    const share = value * (standardDeviation[channel] ?? 1) + (mean[channel] ?? 0);
    return Math.min(255, Math.max(0, Math.round(255 * share)));
  });
}

/** Reads each run's images once, because opening a dataset takes seconds. */
export class ImageReader {
  readonly #known = new Map<string, Promise<TestImages | undefined>>();

  /**
   * Reads test images of the size `input`: channels, height and width. Undefined without a `run.json`. Rejects with the
   * error if the data cannot be opened.
   */
  read(folder: string, input: readonly number[]): Promise<TestImages | undefined> {
    const known = this.#known.get(folder) ?? readImages(folder, input);
    this.#known.set(folder, known);
    known.then(
      (read) => read ?? this.#known.delete(folder),
      () => this.#known.delete(folder),
    );
    return known;
  }
}
