import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { measureNormalization, openFashionMnist, openIdxFolder, openMnist } from "../../src/data/mnist.ts";
import { randomBytes } from "./random-bytes.ts";
import { randomSplit, temporaryFolder, userError } from "./support.ts";

/** An idx file of unsigned bytes. */
function idx(dimensions: readonly number[], values: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.writeUInt32BE(0x800 + dimensions.length, 0);
  for (const [axis, dimension] of dimensions.entries()) header.writeUInt32BE(dimension, 4 + 4 * axis);
  return Buffer.concat([header, values]);
}

interface Files {
  readonly [name: string]: Uint8Array;
}

const pixels = randomBytes("idx train", 14 * 20);
const good: Files = {
  "train-images-idx3-ubyte": idx([14, 5, 4], pixels),
  "train-labels-idx1-ubyte": idx([14], Uint8Array.of(5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5, 3, 6)),
  "t10k-images-idx3-ubyte": idx([2, 5, 4], randomBytes("idx test", 40)),
  "t10k-labels-idx1-ubyte": idx([2], Uint8Array.of(7, 2)),
};

async function write(files: Files): Promise<string> {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

function zipped(files: Files): Files {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [`${name}.gz`, gzipSync(content)]));
}

/** `good` with its training labels replaced by a file `name`. */
function withLabels(labels: Uint8Array, name = "train-labels-idx1-ubyte"): Files {
  const { "train-labels-idx1-ubyte": _, ...others } = good;
  return { ...others, [name]: labels };
}

describe("idx files", () => {
  it.each([
    ["plain", good],
    ["gzip'd", zipped(good)],
    [
      "gzip'd without saying so",
      Object.fromEntries(Object.entries(good).map(([name, content]) => [name, gzipSync(content)])),
    ],
    [
      "named with a dot",
      Object.fromEntries(Object.entries(good).map(([name, content]) => [name.replace("-idx", ".idx"), content])),
    ],
  ])("are read %s", async (_, files) => {
    const data = await openMnist(await write(files));
    expect(data.sampleShape).toEqual([1, 5, 4]);
    expect(data.train.images).toEqual(new Uint8Array(pixels));
    expect([...data.train.labels].slice(0, 4)).toEqual([5, 0, 4, 1]);
    expect([...data.test.labels]).toEqual([7, 2]);
    expect(data.augmentation.flip).toBe(false);
    expect(data.train.images.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it("are recognised by the first labels of MNIST and Fashion-MNIST", async () => {
    expect((await openIdxFolder(await write(good))).name).toBe("mnist");
    const labels = Uint8Array.of(9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9, 5, 5);
    const fashion = await openIdxFolder(await write(withLabels(idx([14], labels))));
    expect(fashion.name).toBe("fashion-mnist");
    expect(fashion.classes[9]).toBe("Ankle boot");
  });

  it("of another dataset get numbered classes and their own normalisation", async () => {
    const data = await openIdxFolder(await write(withLabels(idx([14], new Uint8Array(14).fill(25)))));
    expect(data.name).toBe("idx");
    expect(data.classes).toHaveLength(26);
    expect(data.normalization).toEqual(measureNormalization(data.train));
  });

  it.each<[string, Files, string, string]>([
    [
      "cut short in the pixels",
      { ...good, "t10k-images-idx3-ubyte": idx([2, 5, 4], new Uint8Array(39)) },
      "cut short",
      "expected 56 bytes unpacked, for 2 × 5 × 4, got 55 bytes",
    ],
    [
      "cut short in the header",
      withLabels(Uint8Array.of(0, 0, 8)),
      "cut short",
      "expected a header of 8 bytes, got 3 bytes",
    ],
    ["too long", { ...good, "t10k-labels-idx1-ubyte": idx([2], new Uint8Array(3)) }, "too long", "got 11 bytes"],
    [
      "of another kind",
      withLabels(idx([2, 7], new Uint8Array(14))),
      "not an idx file of unsigned bytes in 1 dimensions",
      "expected magic number 2049, got 2050",
    ],
    ["empty", withLabels(idx([0], new Uint8Array(0))), "the file is empty", "train-labels"],
    [
      "without a label for each image",
      withLabels(idx([13], new Uint8Array(13))),
      "one label for each image",
      "expected 14 labels, got 13",
    ],
    [
      "with a label out of range",
      withLabels(idx([14], new Uint8Array(14).fill(10))),
      "label 0 is out of range",
      "expected 0 to 9, got 10",
    ],
    [
      "with test images of another size",
      { ...good, "t10k-images-idx3-ubyte": idx([2, 4, 5], new Uint8Array(40)) },
      "differ in size",
      "expected 5 × 4, got 4 × 5",
    ],
    [
      "cut short in the gzip data",
      withLabels(gzipSync(good["train-labels-idx1-ubyte"] ?? "").subarray(0, 25), "train-labels-idx1-ubyte.gz"),
      "cannot be unpacked (unexpected end of file; 25 bytes)",
      "train-labels-idx1-ubyte.gz",
    ],
  ])("%s are refused", async (_, files, what, contrast) => {
    const error = await userError(openMnist(await write(files)), "bad-file");
    expect(error.message).toContain(what);
    expect(error.message).toContain(contrast);
  });

  it("are named if they are missing", async () => {
    const { "t10k-labels-idx1-ubyte": _, ...others } = good;
    const folder = await write(others);
    const error = await userError(openMnist(folder), "missing-file");
    expect(error.message).toContain(`${folder}: no t10k-labels-idx1-ubyte (or .gz)`);
    await userError(openFashionMnist(join(folder, "nowhere")), "missing-file");
  });
});

describe("measureNormalization", () => {
  it("is the mean and standard deviation of pixels / 255", () => {
    const split = randomSplit("normalization", 7, [1, 6, 5]);
    const values = [...split.images].map((pixel) => pixel / 255);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    const measured = measureNormalization(split);
    expect(measured.mean[0]).toBeCloseTo(mean, 12);
    expect(measured.standardDeviation[0]).toBeCloseTo(Math.sqrt(variance), 12);
    split.images.fill(51);
    const [deviation = 0] = measureNormalization(split).standardDeviation;
    expect(deviation).toBeGreaterThan(0);
  });
});
