/** Images of a run's test split for the page, with everything needed to show any other image to its networks. */
import { required } from "../core/errors.ts";
import { evaluationBatches } from "../data/evaluation-batches.ts";
import { datasetReference } from "../data/references.ts";
import { openData } from "../training/start/run-data.ts";
import { recordIn } from "./network.ts";
import type { TestImages } from "./protocol.ts";

const IMAGES = 16;

async function readImages(folder: string, input: readonly number[]): Promise<TestImages | undefined> {
  const record = await recordIn(folder);
  if (record === undefined) return undefined;
  const { data, settings } = record;
  const options = data.preparation === undefined ? {} : { images: { ...data.preparation, classes: data.classes } };
  const [channels = 3, height = 0, width = 0] = input;
  const shape = [channels, height, width] as const;
  const { dataset } = await openData(datasetReference(data.source, options), settings.limit, shape);
  const { mean, standardDeviation } = dataset.normalization;
  const batch = Math.min(IMAGES, dataset.test.count);
  const about = { shape, classes: data.classes, mean, standardDeviation };
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

/** Back to 8 bits: exact for images that were stored so. */
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

/** Reads each run's images once: opening a dataset takes seconds. */
export class ImageReader {
  readonly #known = new Map<string, Promise<TestImages | undefined>>();

  /**
   * `input`: channels, height and width that the network takes. Undefined without a `run.json`. Errors are those of
   * opening the data.
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
