import { describe, expect, test } from "vitest";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import { firstImages } from "../../src/data/dataset.ts";
import { accuracyOf, measureAccuracy } from "../../src/evaluation/accuracy.ts";
import { balancedAccuracy } from "../../src/evaluation/class-tally.ts";
import { answerOf, answersOf, type Classifier, engineClassifier } from "../../src/evaluation/classifier.ts";
import { initialize } from "../../src/models/initialize.ts";
import { place } from "../../src/selection/place.ts";
import { tinyDataset, tinyResnet } from "../training/tiny.ts";
import { referenceHost } from "./reference-host.ts";

const { test: split, normalization } = tinyDataset(4, 23);

/** A classifier that answers by the brightness of the image's left and right half, and counts its calls. */
function brightness(batch: number): Classifier & { calls: number } {
  const classifier = {
    batch,
    calls: 0,
    logits: async ({ shape, data }: Tensor): Promise<Tensor> => {
      classifier.calls++;
      expect(shape[0]).toBe(batch);
      const size = data.length / batch;
      const result = tensor([batch, 3]);
      for (let image = 0; image < batch; image++) {
        for (let at = 0; at < size; at++) {
          const column = at % (shape[3] ?? 1);
          const side = column < (shape[3] ?? 1) / 2 ? 1 : 2;
          result.data[image * 3 + side] = (result.data[image * 3 + side] ?? 0) + (data[image * size + at] ?? 0);
        }
      }
      return result;
    },
    dispose: async () => {},
  };
  return classifier;
}

describe("accuracy", () => {
  test("is the same for every batch: the last one partial or full, or larger than the split", async () => {
    const results = [];
    for (const batch of [1, 5, 23, 100]) {
      const classifier = brightness(batch);
      results.push(await measureAccuracy(classifier, split, normalization));
      expect(classifier.calls).toBe(Math.ceil(23 / batch));
    }
    const [first] = results;
    for (const result of results) expect(result).toEqual(first);
    expect(first?.images).toBe(23);
    expect(first?.correct).toBeGreaterThan(11);
    expect(first?.accuracy).toBeCloseTo((100 * (first?.correct ?? 0)) / 23, 12);
  });

  test("is counted by class: images, right answers and all answers", () => {
    const logits = tensor([5, 3], Float32Array.of(9, 0, 0, 9, 0, 0, 0, 9, 0, 0, 9, 0, Number.NaN, 0, 0));
    const { classes, ...rest } = accuracyOf({ logits, labels: Int32Array.of(0, 1, 1, 2, 2) });
    expect(rest).toEqual({ accuracy: 40, correct: 2, images: 5 });
    expect(classes).toEqual([
      { images: 1, correct: 1, answers: 2 },
      { images: 2, correct: 1, answers: 2 },
      { images: 2, correct: 0, answers: 0 },
    ]);
    expect(balancedAccuracy(classes)).toBeCloseTo((100 + 50 + 0) / 3, 12);
    expect(balancedAccuracy([...classes, { images: 0, correct: 0 }])).toBeCloseTo(50, 12);
  });

  test("an answer with a NaN is wrong", () => {
    const logits = tensor([3, 2], Float32Array.of(1, 2, Number.NaN, 0, 3, 3));
    expect([0, 1, 2].map((index) => answerOf(logits, index))).toEqual([1, -1, 0]);
  });

  test("refuses an empty split, and labels beyond the network's classes", async () => {
    await expect(measureAccuracy(brightness(4), firstImages(split, 0), normalization)).rejects.toThrow(/no images/);
    const labels = split.labels.map(() => 3);
    await expect(measureAccuracy(brightness(4), { ...split, labels }, normalization)).rejects.toMatchObject({
      code: "bad-option",
    });
  });
});

describe("a network on an engine", () => {
  test("gives the same logits with factors of one folded as without factors", async () => {
    const plain = tinyResnet();
    const weights = initialize(plain, 1);
    const { graph } = place(plain, { neurons: 1, blocks: 1 });
    const withFactors = await engineClassifier(referenceHost(), { graph, weights: initialize(graph, 1) }, 8);
    const without = await engineClassifier(referenceHost(), { graph: plain, weights }, 23);
    const a = (await answersOf(withFactors, split, normalization)).logits;
    const b = (await answersOf(without, split, normalization)).logits;
    expect(a.shape).toEqual([23, 3]);
    for (const [index, value] of a.data.entries()) expect(value).toBeCloseTo(b.data[index] ?? Number.NaN, 5);
    await withFactors.dispose();
    await expect(withFactors.logits(tensor([8, 2, 6, 6]))).rejects.toMatchObject({ code: "use-after-dispose" });
  });
});
