/** Values of images for a network's inputs besides the images follow their images into every batch. */
import { expect, test } from "vitest";
import { tensor } from "../../src/core/tensor.ts";
import { firstImages, type StoredSplit } from "../../src/data/dataset.ts";
import { evaluationBatches } from "../../src/data/evaluation-batches.ts";
import { feedsOf } from "../../src/data/inputs.ts";
import { TrainingLoader } from "../../src/data/loader.ts";
import type { SoftLabels } from "../../src/data/mixup-cutmix.ts";
import { collect, randomSplit } from "./support.ts";

const normalization = { mean: [0], standardDeviation: [1] };
const classes = 3;

/** The values of an image are its label as a distribution over the classes, and its number among all images. */
function withLabels(count = 24): StoredSplit {
  const split = randomSplit("inputs", count, [1, 4, 4]);
  for (let image = 0; image < count; image++) split.labels[image] = (image * 7) % classes;
  const floats = (width: number): Float32Array => new Float32Array(new SharedArrayBuffer(4 * width * count));
  const [labels, numbers] = [floats(classes), floats(1)];
  for (const [image, label] of split.labels.entries()) {
    labels[image * classes + label] = 1;
    numbers[image] = image;
  }
  return { ...split, inputs: { label: { width: classes, values: labels }, number: { width: 1, values: numbers } } };
}

const plan = { normalization, augmentation: { pad: 0, flip: false }, batch: 8, seed: 3 };

test.each<[string, SoftLabels]>([
  ["soft labels", { classes, smoothing: 0 }],
  ["mixup", { classes, smoothing: 0, mixing: { kind: "mixup", alpha: 1 } }],
  ["CutMix", { classes, smoothing: 0, mixing: { kind: "cutmix", alpha: 1 } }],
])("values are mixed as labels are, with %s", async (_, soft) => {
  const loader = new TrainingLoader({ ...plan, split: withLabels(), soft });
  let mixed = 0;
  for (let step = 0; step < 6; step++) {
    const { inputs, targets, release } = await loader.next();
    expect(inputs?.["label"]?.shape).toEqual([8, classes]);
    for (const [index, value] of (targets?.data ?? []).entries()) {
      expect(inputs?.["label"]?.data[index]).toBeCloseTo(value, 6);
      if (value > 0.01 && value < 0.99) mixed++;
    }
    release();
  }
  expect(mixed > 0).toBe(soft.mixing !== undefined);
  await loader.dispose();
});

test("values follow the shuffled images, and the part of a batch", async () => {
  const split = withLabels();
  const loader = new TrainingLoader({ ...plan, split, part: { first: 4, count: 4 } });
  const seen = new Set<number>();
  for (let step = 0; step < 3; step++) {
    const { images, inputs, labels, release } = await loader.next();
    for (const [row, image] of (inputs?.["number"]?.data ?? []).entries()) {
      const pixels = split.images.subarray(image * 16, (image + 1) * 16);
      for (const [at, pixel] of pixels.entries()) expect(images.data[row * 16 + at]).toBeCloseTo(pixel / 255, 5);
      expect(labels.data[row]).toBe(split.labels[image]);
      seen.add(image);
    }
    release();
  }
  expect(seen.size).toBe(12);
  await loader.dispose();
});

test("values of the last batch of an evaluation are filled up with zeros", async () => {
  const batches = await collect(evaluationBatches(firstImages(withLabels(), 10), normalization, 8));
  expect(batches.map(({ inputs }) => [...(inputs?.["number"]?.data ?? [])])).toEqual([
    [0, 1, 2, 3, 4, 5, 6, 7],
    [8, 9, 0, 0, 0, 0, 0, 0],
  ]);
});

test("feeds have the shapes of the inputs, and a missing one is named", () => {
  const taken = [
    { name: "images", dtype: "f32", shape: ["N", 1, 4, 4] },
    { name: "toString", dtype: "f32", shape: ["N", 2, 1, 1] },
  ] as const;
  const images = tensor([2, 1, 4, 4]);
  const feeds = feedsOf(taken, images, { toString: tensor([2, 2]), other: tensor([2, 1]) });
  expect(Object.entries(feeds).map(([name, { shape }]) => [name, shape])).toEqual([
    ["images", [2, 1, 4, 4]],
    ["toString", [2, 2, 1, 1]],
  ]);
  expect(() => feedsOf(taken, images, {})).toThrow(/values of input "toString"/);
});
