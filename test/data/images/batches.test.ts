import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type Dataset, type FileSplit, firstImages } from "../../../src/data/dataset.ts";
import { evaluationBatches } from "../../../src/data/evaluation-batches.ts";
import { checkImages } from "../../../src/data/images/check.ts";
import { openImages } from "../../../src/data/images/open.ts";
import { TrainingLoader, type TrainingLoaderOptions } from "../../../src/data/loader.ts";
import { epochOrder } from "../../../src/data/shuffle.ts";
import { collect, temporaryFolder, userError } from "../support.ts";
import { writeBroken, writeColours } from "./images.ts";

const size = 3 * 12 * 12;
let data: Dataset<FileSplit>;
let broken: Dataset<FileSplit>;

beforeAll(async () => {
  const folder = temporaryFolder();
  await writeColours(folder, 8);
  data = await openImages(folder, { size: 12, testShare: 0.5 });
  const other = temporaryFolder();
  await writeColours(join(other, "train"), 4);
  await writeColours(join(other, "test"), 4);
  for (const part of ["train", "test"]) writeBroken(join(other, part, "red", "broken.jpg"));
  writeBroken(join(other, "train", "blue", "empty.png"), "");
  broken = await openImages(other, { size: 12 });
});

interface Copied {
  readonly position: string;
  readonly images: readonly number[];
  readonly labels: readonly number[];
}

function optionsFor({ train: split, normalization, augmentation }: Dataset<FileSplit>): TrainingLoaderOptions {
  return { split, normalization, augmentation, batch: 4, seed: 7 };
}

async function take(count: number, options: TrainingLoaderOptions): Promise<Copied[]> {
  const loader = new TrainingLoader(options);
  const copies: Copied[] = [];
  for await (const { epoch, step, images, labels } of loader) {
    copies.push({ position: `${epoch}.${step}`, images: [...images.data], labels: [...labels.data] });
    if (copies.length === count) break;
  }
  await loader.dispose();
  return copies;
}

describe("training batches of image files", () => {
  it("are the same for any number of workers and after a resume, and differ in the next epoch", async () => {
    const options = optionsFor(data);
    const whole = await take(6, options);
    expect(whole.map(({ position }) => position)).toEqual(["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"]);
    expect(await take(6, { ...options, workers: 3 })).toEqual(whole);
    expect(await take(2, { ...options, start: { epoch: 1, step: 1 }, slots: 1 })).toEqual(whole.slice(4));
    expect(whole[3]?.images).not.toEqual(whole[0]?.images);
    expect((await take(1, { ...options, seed: 8 }))[0]?.images).not.toEqual(whole[0]?.images);
  });

  it("have the label of their colour", async () => {
    const { mean, standardDeviation } = data.normalization;
    const augmentation = { area: [0.3, 1], aspect: [1, 1], flip: true, colour: 0.1, noise: 0.1 } as const;
    for (const { images, labels } of await take(3, { ...optionsFor(data), augmentation })) {
      for (const [slot, label] of labels.entries()) {
        const level = [0, 1, 2].map((channel) => {
          const plane = images.slice(slot * size + channel * 144, slot * size + (channel + 1) * 144);
          const value = plane.reduce((sum, one) => sum + one, 0) / 144;
          return value * (standardDeviation[channel] ?? 1) + (mean[channel] ?? 0);
        });
        // The classes are blue, green and red.
        expect(level.indexOf(Math.max(...level))).toBe(2 - label);
      }
    }
  });

  it("are the centre crops of testing without augmentation", async () => {
    const [batch] = await take(1, { ...optionsFor(data), augmentation: { pad: 0, flip: false } });
    const all = await collect(evaluationBatches(data.train, data.normalization, 12));
    for (const [slot, index] of epochOrder(7, 0, 12).subarray(0, 4).entries()) {
      const plain = all[0]?.images.data.subarray(index * size, (index + 1) * size) ?? [];
      expect(batch?.images.slice(slot * size, (slot + 1) * size)).toEqual([...plain]);
    }
  });

  it("replace an unreadable image by the next one, and record it", async () => {
    const { train } = broken;
    const options = { ...optionsFor(broken), batch: 14, augmentation: { pad: 0, flip: false } };
    const heard: string[] = [];
    train.unreadable.listen(({ path }, count) => heard.push(`${count} ${path}`));
    const [batch] = await take(1, options);
    expect(train.unreadable.images.map(({ path, reason }) => `${path}: ${reason}`).sort()).toEqual([
      "train/blue/empty.png: the file is empty",
      "train/red/broken.jpg: it is not a JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP file",
    ]);
    expect(heard).toHaveLength(2);
    expect(heard[1]).toMatch(/^2 train/);
    const isBroken = (index: number): boolean => /broken|empty/.test(train.files[index]?.path ?? "");
    const expected = [...epochOrder(7, 0, 14)].map((index) => {
      let readable = index;
      while (isBroken(readable)) readable = (readable + 1) % 14;
      return train.labels[readable];
    });
    expect(batch?.labels).toEqual(expected);
    expect((await take(1, options))[0]).toEqual(batch);
    expect(train.unreadable.count).toBe(2);
  });

  it("end with a user error if no image can be read any more", async () => {
    const folder = temporaryFolder();
    await writeColours(folder, 3);
    const gone = await openImages(folder, { size: 12 });
    rmSync(folder, { recursive: true });
    expect(existsSync(folder)).toBe(false);
    const loader = new TrainingLoader(optionsFor(gone));
    const error = await userError(loader.next(), "bad-file");
    expect(error.message).toContain("too many images in a row cannot be read");
    await loader.dispose();
    const scoring = collect(evaluationBatches(gone.test, gone.normalization, 2));
    expect((await userError(scoring, "bad-file")).message).toContain("none of the 3 images can be read");
  });

  it("refuse an augmentation for stored images, and one that is out of range", async () => {
    const options = optionsFor(data);
    await userError(() => new TrainingLoader({ ...options, augmentation: { pad: 4, flip: true } }), "bad-option");
    const wrong = { area: [0.5, 0.1], aspect: [1, 1], flip: true, colour: 0, noise: 0 } as const;
    await userError(() => new TrainingLoader({ ...options, augmentation: wrong }), "bad-option");
  });
});

describe("evaluation batches of image files", () => {
  it("leave out unreadable images, keep the order, and pad with zeros", async () => {
    const { test, normalization } = broken;
    const batches = await collect(evaluationBatches(test, normalization, 5));
    expect(batches.reduce((sum, { count }) => sum + count, 0)).toBe(12);
    expect(test.unreadable.images.map(({ path }) => path)).toEqual(["test/red/broken.jpg"]);
    const readable = [...test.labels].filter((_, index) => !test.files[index]?.path.includes("broken"));
    expect(batches.flatMap(({ labels, count }) => [...labels.data.subarray(0, count)])).toEqual(readable);
    const places = batches.flatMap((batch) => batch.places);
    expect(places).toEqual([...test.files.keys()].filter((place) => !test.files[place]?.path.includes("broken")));
    let start = 0;
    for (const batch of batches) {
      expect(batch.start).toBe(start);
      start += batch.count;
      expect(batch.images.data.subarray(batch.count * size).every((value) => value === 0)).toBe(true);
    }
    const part = await collect(evaluationBatches(firstImages(test, 3), normalization, 8));
    expect(part[0]?.count).toBeLessThanOrEqual(3);
  });

  it("skip the images that a check found unreadable", async () => {
    const { train } = broken;
    const progress: number[] = [];
    await checkImages(train, (done) => progress.push(done));
    expect(progress).toEqual(Array.from({ length: 14 }, (_, index) => index + 1));
    expect(train.unreadable.count).toBe(2);
  });
});
