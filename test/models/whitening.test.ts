import { describe, expect, test } from "vitest";
import { tensor } from "../../src/core/tensor.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { PatchMoments, whiteningFilters } from "../../src/models/whitening.ts";
import { normal } from "../engine/random-data.ts";

const EPSILON = 0.01;

/** Images whose neighbouring pixels and channels are alike. */
function correlatedImages(count: number) {
  const images = normal([count, 2, 7, 6], 5, "images");
  const smooth = images.data.map(
    (value, index) => value + 2 * (images.data[index - 1] ?? 0) + (images.data[index - 6] ?? 0) + 0.5,
  );
  return tensor(images.shape, smooth);
}

/** What the convolution with these filters answers to all patches: [image, filter, row, column]. */
function answers(filters: Float32Array, outputs: number, images: ReturnType<typeof correlatedImages>, dilation = 1) {
  const builder = new GraphBuilder("whitening");
  const src = builder.input("images", ["N", 2, 7, 6]);
  builder.output(builder.convolution("conv", src, { channels: outputs, kernel: [2, 2], dilation }));
  const plan = createReferenceEngine().prepare(builder.build(), { batch: images.shape[0] ?? 1 });
  plan.write(new Map([["conv.weights", tensor([outputs, 2, 2, 2], filters)]]));
  const result = plan.run({ images })["conv"];
  if (result?.dtype !== "f32") throw new Error("no answers");
  return result;
}

/** E[y·yᵀ] of the filters' answers y. */
function secondMoments({ shape, data }: ReturnType<typeof answers>): number[][] {
  const [images = 0, filters = 0, rows = 0, columns = 0] = shape;
  const pixels = rows * columns;
  const at = (image: number, filter: number, pixel: number): number =>
    data[(image * filters + filter) * pixels + pixel] ?? 0;
  return Array.from({ length: filters }, (_, a) =>
    Array.from({ length: filters }, (__, b) => {
      let sum = 0;
      for (let image = 0; image < images; image++) {
        for (let pixel = 0; pixel < pixels; pixel++) sum += at(image, a, pixel) * at(image, b, pixel);
      }
      return sum / (images * pixels);
    }),
  );
}

describe("whitening filters", () => {
  test.each([1, 2])(
    "answer to patches without correlation, with a variance of 1 less what ε takes, dilation %i",
    (dilation) => {
      const images = correlatedImages(40);
      const moments = new PatchMoments({ channels: 2, kernel: [2, 2], dilation: [dilation, dilation] });
      moments.add(images, 40);
      expect(moments.count).toBe(40 * (7 - dilation) * (6 - dilation));
      const filters = whiteningFilters(moments.moments(), 8, { outputs: 16, epsilon: EPSILON });
      const found = secondMoments(answers(filters, 16, images, dilation));
      let previous = 1;
      for (let a = 0; a < 8; a++) {
        const own = found[a]?.[a] ?? 0;
        // λ / (λ + ε) falls with λ.
        expect(own).toBeLessThan(previous + 1e-9);
        expect(own).toBeGreaterThan(0.5);
        previous = own;
        for (let b = 0; b < 8; b++) {
          if (a !== b) expect(Math.abs(found[a]?.[b] ?? 1)).toBeLessThan(1e-5);
        }
        expect(found[a]?.[a + 8]).toBeCloseTo(-own, 5);
      }
    },
  );

  test("without ε have a variance of exactly 1", () => {
    const images = correlatedImages(30);
    const moments = new PatchMoments({ channels: 2, kernel: [2, 2], dilation: [1, 1] });
    moments.add(images, 30);
    const filters = whiteningFilters(moments.moments(), 8, { outputs: 8, epsilon: 0 });
    const found = secondMoments(answers(filters, 8, images));
    for (let a = 0; a < 8; a++) expect(found[a]?.[a]).toBeCloseTo(1, 5);
  });

  test("images beyond the count are not looked at, and batches add up", () => {
    const images = correlatedImages(6);
    const [whole, parts] = [0, 1].map(() => new PatchMoments({ channels: 2, kernel: [2, 2], dilation: [1, 1] }));
    whole?.add(images, 4);
    const size = 2 * 7 * 6;
    for (const [first, count] of [
      [0, 1],
      [1, 3],
    ] as const) {
      parts?.add(tensor([count, 2, 7, 6], images.data.slice(first * size, (first + count) * size)), count);
    }
    expect(parts?.moments()).toEqual(whole?.moments());
  });

  test("of black images are finite", () => {
    const moments = new PatchMoments({ channels: 2, kernel: [2, 2], dilation: [1, 1] });
    moments.add(tensor([1, 2, 7, 6]), 1);
    const filters = whiteningFilters(moments.moments(), 8, { outputs: 16, epsilon: 5e-4 });
    expect(filters.every((value) => Number.isFinite(value))).toBe(true);
  });
});
