/**
 * The real datasets, if they are available: CIFAR-10 if the cache has it already (nothing is downloaded here),
 * Fashion-MNIST if Debian's package is installed. Otherwise the tests report that they were skipped.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cacheFolder } from "../../src/core/cache-folder.ts";
import type { Dataset, Split } from "../../src/data/dataset.ts";
import { evaluationBatches } from "../../src/data/evaluation-batches.ts";
import { openDataset } from "../../src/data/open.ts";
import { collect } from "./support.ts";

const hasCifar10 = existsSync(join(cacheFolder(), "cifar-10-batches-bin", "test_batch.bin"));
const hasFashionMnist = existsSync("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz");
if (!hasCifar10) console.warn("skipped: CIFAR-10 is not in the cache folder");
if (!hasFashionMnist) console.warn("skipped: dataset-fashion-mnist is not installed");

/** The number of images of each label. */
function frequencies({ labels }: Split, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

/** Mean and standard deviation of pixels / 255 for each channel. */
function statistics({ train, sampleShape: [channels, height, width] }: Dataset): [number[], number[]] {
  if (!("images" in train)) throw new Error("the images are not in memory");
  const plane = height * width;
  const sums = new Array<number>(channels).fill(0);
  const squares = new Array<number>(channels).fill(0);
  for (let start = 0; start < train.images.length; start += plane) {
    let sum = 0;
    let square = 0;
    for (let at = start; at < start + plane; at++) {
      const pixel = train.images[at] ?? 0;
      sum += pixel;
      square += pixel * pixel;
    }
    const channel = (start / plane) % channels;
    sums[channel] = (sums[channel] ?? 0) + sum / 255;
    squares[channel] = (squares[channel] ?? 0) + square / 255 ** 2;
  }
  const count = train.count * plane;
  const mean = sums.map((sum) => sum / count);
  return [mean, squares.map((square, channel) => Math.sqrt(square / count - (mean[channel] ?? 0) ** 2))];
}

function expectNormalization(data: Dataset): void {
  const [mean, deviation] = statistics(data);
  for (const [channel, value] of mean.entries()) {
    expect(Math.abs(value - (data.normalization.mean[channel] ?? 0))).toBeLessThan(1e-4);
  }
  for (const [channel, value] of deviation.entries()) {
    expect(Math.abs(value - (data.normalization.standardDeviation[channel] ?? 0))).toBeLessThan(1e-4);
  }
}

describe.skipIf(!hasCifar10)("CIFAR-10", () => {
  it("has 5,000 and 1,000 images of each class, and the mean and standard deviation of its layout", async () => {
    const data = await openDataset("cifar10");
    expect(frequencies(data.train, 10)).toEqual(new Array(10).fill(5000));
    expect(frequencies(data.test, 10)).toEqual(new Array(10).fill(1000));
    expect([...data.test.labels.subarray(0, 8)]).toEqual([3, 8, 8, 0, 6, 6, 1, 6]);
    expectNormalization(data);
    const counts = (await collect(evaluationBatches(data.test, data.normalization, 3000))).map(({ count }) => count);
    expect(counts).toEqual([3000, 3000, 3000, 1000]);
  });
});

describe.skipIf(!hasFashionMnist)("Fashion-MNIST", () => {
  it("has 6,000 and 1,000 images of each class, and the mean and standard deviation of its table", async () => {
    const data = await openDataset("fashion-mnist");
    expect(data.sampleShape).toEqual([1, 28, 28]);
    expect(frequencies(data.train, 10)).toEqual(new Array(10).fill(6000));
    expect(frequencies(data.test, 10)).toEqual(new Array(10).fill(1000));
    expectNormalization(data);
    expect((await openDataset("/usr/share/datasets/fashion-mnist")).name).toBe("fashion-mnist");
  });
});

describe.runIf(!hasFashionMnist)("Fashion-MNIST that is not installed", () => {
  it("gives an error with the command that installs it", async () => {
    await expect(openDataset("fashion-mnist")).rejects.toThrow("apt-get install dataset-fashion-mnist");
  });
});
