/** Views of test images: which pixels they have, how their logits are weighted, and where their accuracy is told. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import type { Classifier } from "../../src/evaluation/classifier.ts";
import { averagingViews, viewCount, viewSets } from "../../src/evaluation/test-time-augmentation.ts";
import { summaryRows } from "../../src/report/summary.ts";
import { train } from "../../src/training/train.ts";
import { temporaryFolder, tinyDataset, tinyResnet } from "../training/tiny.ts";

/** A classifier whose logits are all pixels, which is linear, so that the mean of its logits is that of the views. */
function pixels(seen: Tensor[] = []): Classifier {
  return {
    batch: 2,
    logits: async (images) => {
      seen.push(images);
      return tensor([2, images.data.length / 2], Float32Array.from(images.data));
    },
    dispose: async () => {},
  };
}

const [height, width] = [3, 4];
const images = tensor(
  [2, 1, height, width],
  Float32Array.from({ length: 24 }, (_, index) => (index * 7) % 24),
);

/** Pixel (y, x) of image `image`, reflected by one pixel outside. */
function at(image: number, y: number, x: number): number {
  const row = y < 0 ? 1 : y >= height ? height - 2 : y;
  const column = x < 0 ? 1 : x >= width ? width - 2 : x;
  return images.data[(image * height + row) * width + column] ?? Number.NaN;
}

function expected(view: (image: number, y: number, x: number) => number): number[] {
  return Array.from({ length: 24 }, (_, index) => {
    const [image, inside] = [Math.floor(index / 12), index % 12];
    return view(image, Math.floor(inside / width), inside % width);
  });
}

describe("the views", () => {
  test("of flip are the image and its mirror image, in equal parts", async () => {
    const { data } = await averagingViews(pixels(), "flip").logits(images);
    expect([...data]).toEqual(expected((image, y, x) => (at(image, y, x) + at(image, y, width - 1 - x)) / 2));
  });

  test("of flip+shift are six, weighted as in airbench94", async () => {
    const seen: Tensor[] = [];
    const { data } = await averagingViews(pixels(seen), "flip+shift").logits(images);
    // In the script's terms: 0.5 · mirror(image) + 0.5 · the mean of mirror(padded[0:]) and mirror(padded[2:]).
    const mirror = (image: number, y: number, x: number, shift: number): number =>
      0.5 * at(image, y + shift, x + shift) + 0.5 * at(image, y + shift, width - 1 - x + shift);
    expect([...data]).toEqual(
      expected((image, y, x) => {
        const shifted = (mirror(image, y, x, -1) + mirror(image, y, x, 1)) / 2;
        return 0.5 * mirror(image, y, x, 0) + 0.5 * shifted;
      }).map(Math.fround),
    );
    expect(seen).toHaveLength(6);
    expect(viewCount("flip+shift")).toBe(6);
  });

  test.each(viewSets)("of %s leave the logits of a constant image alone", async (set) => {
    const constant = tensor([2, 1, height, width], new Float32Array(24).fill(0.375));
    const { shape, data } = await averagingViews(pixels(), set).logits(constant);
    expect(shape).toEqual([2, 12]);
    expect(new Set(data)).toEqual(new Set([0.375]));
  });

  test("that are shifted need two pixels", async () => {
    const row = tensor([2, 1, 1, 4]);
    await expect(averagingViews(pixels(), "flip+shift").logits(row)).rejects.toThrow(/cannot be shifted.*1 × 4/s);
    await expect(averagingViews(pixels(), "flip").logits(row)).resolves.toBeDefined();
  });
});

test("a run tells its accuracy over several views beside the usual one", async () => {
  const settings = { data: tinyDataset(), engine: "reference", epochs: 2, batch: 16, latency: false } as const;
  const folder = join(temporaryFolder(), "run");
  const run = await train(tinyResnet(), {
    ...settings,
    ...{ select: { neurons: 0.4 }, testTimeAugmentation: "flip+shift", folder },
  });
  const { before, after } = run;
  expect(before.augmented?.views).toBe("flip+shift");
  // Pruning changes no answer, to any view.
  expect(after.augmented).toEqual(before.augmented);
  expect(before.augmented?.accuracy).toBeGreaterThanOrEqual(0);
  const rows = summaryRows(before, after).map(({ name }) => name);
  expect(rows.slice(0, 2)).toEqual(["Test accuracy", "Over 6 views (flip+shift)"]);
  const usual = await train(tinyResnet(), { ...settings, folder: join(temporaryFolder(), "usual") });
  expect(usual.before).not.toHaveProperty("augmented");
});
