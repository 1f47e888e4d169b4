import { describe, expect, it } from "vitest";
import { firstImages } from "../../src/data/dataset.ts";
import { evaluationBatches } from "../../src/data/evaluation-batches.ts";
import { collect, randomSplit, userError } from "./support.ts";

const normalization = { mean: [0.5, 0.25], standardDeviation: [0.5, 0.2] };

describe("evaluationBatches", () => {
  const split = randomSplit("evaluation", 11, [2, 3, 4]);

  it("yields every image once, in order, normalised, and pads the last batch with zeros", async () => {
    const batches = await collect(evaluationBatches(split, normalization, 4));
    expect(batches.map(({ start, count }) => [start, count])).toEqual([
      [0, 4],
      [4, 4],
      [8, 3],
    ]);
    for (const { images, labels, start, count } of batches) {
      expect(images.shape).toEqual([4, 2, 3, 4]);
      expect(labels.shape).toEqual([4]);
      for (const [at, value] of images.data.entries()) {
        const channel = Math.floor(at / 12) % 2;
        const pixel = (split.images[start * 24 + at] ?? 0) / 255;
        const expected = (pixel - (normalization.mean[channel] ?? 0)) / (normalization.standardDeviation[channel] ?? 1);
        expect(value).toBe(at < count * 24 ? Math.fround(expected) : 0);
      }
      const expectedLabels = [...split.labels.subarray(start, start + count), 0, 0, 0].slice(0, 4);
      expect([...labels.data]).toEqual(expectedLabels);
    }
  });

  it("allows a batch larger than the split, and part of a split", async () => {
    const batches = await collect(evaluationBatches(firstImages(split, 5), normalization, 8));
    expect(batches.map(({ count }) => count)).toEqual([5]);
    expect(firstImages(split, 99).count).toBe(11);
  });

  it("refuses wrong options in the call, before the first batch", async () => {
    await userError(() => evaluationBatches(split, normalization, 0), "bad-option");
    await userError(() => evaluationBatches(split, { mean: [0], standardDeviation: [1] }, 4), "bad-option");
  });
});
