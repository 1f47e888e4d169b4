import { describe, expect, it } from "vitest";
import { optional } from "../../src/core/optional.ts";
import { RandomStream } from "../../src/core/random.ts";
import { TrainingLoader, type TrainingLoaderOptions } from "../../src/data/loader.ts";
import { betaSample, randomBox, softenBatch } from "../../src/data/mixup-cutmix.ts";
import { BatchFiller } from "../../src/data/training-batches.ts";
import { randomSplit, userError } from "./support.ts";

const shape = [2, 6, 8] as const;
const SIZE = 2 * 6 * 8;
const CLASSES = 10;

interface Batch {
  readonly images: Float32Array;
  readonly labels: Int32Array;
  readonly targets: Float32Array;
}

/** All pixels of image n have the value n; its label is n. */
function flatBatch(count: number): Batch {
  return {
    images: Float32Array.from({ length: count * SIZE }, (_, at) => Math.floor(at / SIZE)),
    labels: Int32Array.from({ length: count }, (_, at) => at),
    targets: new Float32Array(count * CLASSES),
  };
}

const indices = Int32Array.of(40, 41, 42, 43, 44);
const row = ({ targets }: Batch, n: number): number[] => [...targets.subarray(n * CLASSES, (n + 1) * CLASSES)];
const image = ({ images }: Batch, n: number): number[] => [...images.subarray(n * SIZE, (n + 1) * SIZE)];

describe("targets", () => {
  it("of labels are (1 − ε)·label + ε / classes", () => {
    const batch = flatBatch(3);
    softenBatch(batch, indices, shape, { classes: CLASSES, smoothing: 0.2 }, 1, 0);
    for (const n of [0, 1, 2]) {
      const expected = Array.from({ length: CLASSES }, (_, f) => (f === n ? 0.8 : 0) + 0.02);
      row(batch, n).forEach((target, f) => {
        expect(target).toBeCloseTo(expected[f] ?? 0, 6);
      });
    }
  });

  it("of mixed images are mixed as the images are, and each is a distribution", () => {
    const batch = flatBatch(5);
    softenBatch(batch, indices, shape, { classes: CLASSES, smoothing: 0.1, mixing: { kind: "mixup", alpha: 1 } }, 1, 0);
    for (const [n, partner] of [
      [0, 4],
      [1, 3],
      [3, 1],
      [4, 0],
    ] as const) {
      const values = image(batch, n);
      expect(new Set(values).size).toBe(1);
      // The value is λ·n + (1 − λ)·partner, so λ can be computed from the image.
      const share = ((values[0] ?? 0) - partner) / (n - partner);
      expect(share).toBeGreaterThan(0);
      expect(share).toBeLessThan(1);
      const targets = row(batch, n);
      expect(targets[n]).toBeCloseTo(0.9 * share + 0.01, 5);
      expect(targets[partner]).toBeCloseTo(0.9 * (1 - share) + 0.01, 5);
      expect(targets.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
    }
    // The middle one of an odd batch has no partner.
    expect(new Set(image(batch, 2))).toEqual(new Set([2]));
    expect(row(batch, 2)[2]).toBeCloseTo(0.91, 6);
  });

  it("of images with a pasted box weigh the pasted pixels, which are the same in every channel", () => {
    const pasted = new Set<number>();
    for (let epoch = 0; epoch < 40; epoch++) {
      const batch = flatBatch(4);
      const soft = { classes: CLASSES, smoothing: 0, mixing: { kind: "cutmix", alpha: 1 } } as const;
      softenBatch(batch, indices, shape, soft, 7, epoch);
      for (const n of [0, 1, 2, 3]) {
        const values = image(batch, n);
        const own = values.filter((value) => value === n).length;
        expect(values.filter((value) => value === 3 - n)).toHaveLength(SIZE - own);
        expect(values.slice(0, SIZE / 2)).toEqual(values.slice(SIZE / 2));
        expect(row(batch, n)[n]).toBeCloseTo(own / SIZE, 6);
        pasted.add(SIZE - own);
      }
    }
    expect(pasted.size).toBeGreaterThan(10);
  });

  it("of weighted classes are scaled by the weight of their labels, mixed as the labels are", () => {
    const weights = Array.from({ length: CLASSES }, (_, label) => 1 + 2 * label);
    for (const mixing of [undefined, { kind: "mixup", alpha: 1 } as const]) {
      const soft = { classes: CLASSES, smoothing: 0.1, ...optional({ mixing }) };
      const [plain, weighted] = [flatBatch(5), flatBatch(5)];
      softenBatch(plain, indices, shape, soft, 1, 0);
      softenBatch(weighted, indices, shape, { ...soft, weights }, 1, 0);
      expect(weighted.images).toEqual(plain.images);
      for (const n of [0, 1, 2, 3, 4]) {
        // The image's value is the mixture of the labels, of which the weight is a linear function.
        const weight = 1 + 2 * (image(plain, n)[0] ?? Number.NaN);
        for (const [f, target] of row(weighted, n).entries()) {
          expect(target).toBeCloseTo(weight * (row(plain, n)[f] ?? Number.NaN), 5);
        }
      }
    }
  });

  it("of a label that is not a class are refused, with the image's index", async () => {
    const batch = flatBatch(3);
    batch.labels[1] = CLASSES;
    const soften = (): unknown => softenBatch(batch, indices, shape, { classes: CLASSES, smoothing: 0.1 }, 1, 0);
    expect((await userError(soften, "bad-option")).details).toMatchObject({ about: "label of image 41" });
  });
});

describe("random samples", () => {
  it.each([0.2, 1, 4])("have the mean and the variance of Beta(α, α): α = %s", (alpha) => {
    const samples = Array.from({ length: 20_000 }, (_, at) => betaSample(new RandomStream(3, "beta", 0, at), alpha));
    const mean = samples.reduce((a, b) => a + b, 0) / samples.length;
    const variance = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0) / samples.length;
    expect(mean).toBeCloseTo(0.5, 1);
    expect(variance * 4 * (2 * alpha + 1)).toBeCloseTo(1, 1);
    expect(samples.every((value) => value >= 0 && value <= 1)).toBe(true);
  });

  it("of Beta(1, 1) are uniform", () => {
    const sorted = Array.from({ length: 5000 }, (_, at) => betaSample(new RandomStream(5, "beta", 1, at), 1)).sort(
      (a, b) => a - b,
    );
    const furthest = Math.max(...sorted.map((value, at) => Math.abs(value - at / sorted.length)));
    // Kolmogorov–Smirnov test: one sample in a hundred exceeds 1.63 / √n.
    expect(furthest).toBeLessThan(1.63 / Math.sqrt(5000));
  });

  it("are numbers even if the gamma samples underflow", () => {
    for (let at = 0; at < 500; at++) expect(betaSample(new RandomStream(9, "beta", 2, at), 0.001)).not.toBeNaN();
  });

  it("of a box lie on the image, cover it for a share of 0, and are empty for 1", () => {
    for (let at = 0; at < 200; at++) {
      const { top, left, bottom, right } = randomBox(new RandomStream(1, "box", 0, at), at / 200, 6, 8);
      expect(top >= 0 && left >= 0 && bottom <= 6 && right <= 8 && top <= bottom && left <= right).toBe(true);
    }
    const { top, bottom } = randomBox(new RandomStream(1, "box"), 1, 6, 8);
    expect(bottom - top).toBe(0);
  });
});

describe("batches with soft labels", () => {
  const options: TrainingLoaderOptions = {
    split: randomSplit("mixing", 30, [3, 8, 8]),
    normalization: { mean: [0.5, 0.4, 0.3], standardDeviation: [0.2, 0.3, 0.4] },
    augmentation: { pad: 2, flip: true },
    batch: 6,
    seed: 42,
    soft: { classes: 10, smoothing: 0.1, mixing: { kind: "cutmix", alpha: 1 } },
  };

  async function take(count: number, start?: TrainingLoaderOptions["start"]): Promise<number[][]> {
    const loader = new TrainingLoader({ ...options, ...optional({ start }) });
    const batches: number[][] = [];
    for (let at = 0; at < count; at++) {
      const { images, targets, release } = await loader.next();
      batches.push([...images.data, ...(targets?.data ?? [])]);
      expect(targets?.shape).toEqual([6, 10]);
      release();
    }
    await loader.dispose();
    return batches;
  }

  it("are the same from any starting step, so that a resumed run sees the same ones", async () => {
    const whole = await take(9);
    expect(await take(3, { epoch: 1, step: 1 })).toEqual(whole.slice(6));
  });

  it("depend on the epoch, and mix the images of the filler without soft labels", async () => {
    const mixed = new BatchFiller(options);
    const { soft: _, ...without } = options;
    const plain = new BatchFiller(without);
    const make = async (filler: BatchFiller, epoch: number): Promise<readonly [Float32Array, Float32Array]> => {
      const [images, targets] = [new Float32Array(6 * 192), new Float32Array(60)];
      await filler.fill({ epoch, step: 0 }, images, new Int32Array(6), targets);
      return [images, targets];
    };
    const [[images, targets], [originals, nothing]] = [await make(mixed, 0), await make(plain, 0)];
    expect(nothing.every((value) => value === 0)).toBe(true);
    // Each pixel is the image's own or its partner's.
    for (const [at, value] of images.entries()) {
      const [n, pixel] = [Math.floor(at / 192), at % 192];
      expect([originals[at], originals[(5 - n) * 192 + pixel]]).toContain(value);
    }
    expect([...(await make(mixed, 1))[1]]).not.toEqual([...targets]);
  });
});
