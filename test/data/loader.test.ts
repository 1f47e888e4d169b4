import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { InternalError } from "../../src/core/errors.ts";
import { TrainingLoader, type TrainingLoaderOptions } from "../../src/data/loader.ts";
import { epochOrder } from "../../src/data/shuffle.ts";
import { BatchFiller } from "../../src/data/training-batches.ts";
import { randomSplit, userError } from "./support.ts";

const options: TrainingLoaderOptions = {
  split: randomSplit("loader", 50, [3, 8, 8]),
  normalization: { mean: [0.5, 0.4, 0.3], standardDeviation: [0.2, 0.3, 0.4] },
  augmentation: { pad: 2, flip: true },
  batch: 8,
  seed: 42,
};

interface Copied {
  readonly epoch: number;
  readonly step: number;
  readonly images: readonly number[];
  readonly labels: readonly number[];
}

/** Copies of the next `count` batches of a loader, from `start` on. */
async function collect(count: number, changes: Partial<TrainingLoaderOptions> = {}): Promise<Copied[]> {
  const loader = new TrainingLoader({ ...options, ...changes });
  const copies: Copied[] = [];
  for await (const { epoch, step, images, labels } of loader) {
    copies.push({ epoch, step, images: [...images.data], labels: [...labels.data] });
    if (copies.length === count) break;
  }
  await loader.dispose();
  return copies;
}

describe("TrainingLoader", () => {
  it("delivers the steps in order, across epochs, each as the filler alone makes it", async () => {
    const batches = await collect(14);
    expect(batches.map(({ epoch, step }) => `${epoch}.${step}`)).toEqual(
      [0, 1, 2].flatMap((epoch) => [0, 1, 2, 3, 4, 5].map((step) => `${epoch}.${step}`)).slice(0, 14),
    );
    const filler = new BatchFiller(options);
    const images = new Float32Array(8 * 192);
    const labels = new Int32Array(8);
    for (const batch of batches) {
      expect(await filler.fill(batch, images, labels)).toEqual([]);
      expect(batch.images).toEqual([...images]);
      expect(batch.labels).toEqual([...labels]);
    }
  });

  it("delivers the same batches from any starting step, with any number of slots", async () => {
    const whole = await collect(14);
    const resumed = await collect(5, { start: { epoch: 1, step: 3 }, slots: 1 });
    expect(resumed).toEqual(whole.slice(9));
    expect(await collect(3, { start: { epoch: 0, step: 11 } })).toEqual(whole.slice(11));
  });

  it("delivers the same batches in the same order with any number of workers", async () => {
    expect(await collect(14, { workers: 3 })).toEqual(await collect(14));
    expect(await collect(5, { workers: 2, slots: 5, start: { epoch: 1, step: 3 } })).toEqual(
      (await collect(14)).slice(9),
    );
  });

  it("augments an image the same way in any batch", async () => {
    const byImage = (batches: readonly Copied[], size: number): Map<number, string> => {
      const order = epochOrder(options.seed, 0, 50);
      return new Map(
        batches.flatMap(({ images, step }) =>
          Array.from({ length: size }, (_, slot): [number, string] => [
            order[step * size + slot] ?? -1,
            images.slice(slot * 192, (slot + 1) * 192).join(),
          ]),
        ),
      );
    };
    const small = byImage(await collect(10, { batch: 5 }), 5);
    const large = byImage(await collect(2, { batch: 25 }), 25);
    expect(small.size).toBe(50);
    expect([...large].sort()).toEqual([...small].sort());
  });

  it("changes with the seed and the epoch", async () => {
    const [first] = await collect(1);
    const [otherSeed] = await collect(1, { seed: 43 });
    const [otherEpoch] = await collect(1, { start: { epoch: 1, step: 0 } });
    expect(otherSeed?.images).not.toEqual(first?.images);
    expect(otherEpoch?.images).not.toEqual(first?.images);
  });

  it("does not overwrite a batch until it is released", async () => {
    const loader = new TrainingLoader({ ...options, slots: 2 });
    const held = await loader.next();
    const before = [...held.images.data];
    for (let step = 0; step < 8; step++) (await loader.next()).release();
    expect([...held.images.data]).toEqual(before);
    held.release();
    held.release();
    await loader.dispose();
    expect(loader.stepsPerEpoch).toBe(6);
    expect(loader.waitedMilliseconds).toBeGreaterThan(0);
  });

  it("throws if every slot is in use", async () => {
    const loader = new TrainingLoader({ ...options, slots: 1 });
    const batch = await loader.next();
    await expect(loader.next()).rejects.toThrow(InternalError);
    batch.release();
    expect((await loader.next()).step).toBe(1);
    await loader.dispose();
  });

  it("rejects pending and later calls once disposed of", async () => {
    const loader = new TrainingLoader(options);
    const pending = userError(loader.next(), "use-after-dispose");
    await Promise.all([loader.dispose(), loader.dispose()]);
    await pending;
    await userError(loader.next(), "use-after-dispose");
  });

  it("rejects when the worker fails", async () => {
    // More images than a permutation can have.
    const loader = new TrainingLoader({ ...options, split: { ...options.split, count: 2 ** 40 } });
    await expect(loader.next()).rejects.toThrow(/the worker that prepares batches failed: Invalid typed array length/);
    await expect(loader.next()).rejects.toThrow(InternalError);
    await loader.dispose();
  });

  it("refuses wrong options in the constructor", async () => {
    const make = (changes: Partial<TrainingLoaderOptions>) => () => new TrainingLoader({ ...options, ...changes });
    await userError(make({ batch: 51 }), "bad-option");
    await userError(make({ slots: 0 }), "bad-option");
    await userError(make({ augmentation: { pad: 99, flip: false } }), "bad-option");
    await userError(make({ normalization: { mean: [0], standardDeviation: [1] } }), "bad-option");
  });

  it("does not keep a process alive that does not dispose of it", async () => {
    const script = fileURLToPath(new URL("./loader-child.ts", import.meta.url));
    const { exitCode, stdout } = await execa("node", ["--import", "tsx", script], { timeout: 30_000 });
    expect(exitCode).toBe(0);
    expect(stdout).toBe("took step 0");
  });
});
