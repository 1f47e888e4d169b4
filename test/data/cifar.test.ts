import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CifarLayout, cifar10Layout, cifar100Layout, readCifar } from "../../src/data/cifar.ts";
import { randomBytes } from "./random-bytes.ts";
import { temporaryFolder, userError } from "./support.ts";

const small10: CifarLayout = { ...cifar10Layout, trainRecords: 3, testRecords: 2 };
const small100: CifarLayout = { ...cifar100Layout, trainRecords: 4, testRecords: 2 };

/**
 * Writes the files of `layout`. Record r of a file has the labels `labelsOf(r)`, and pixels that depend on the file's
 * name.
 */
async function write(layout: CifarLayout, labelsOf: (record: number) => readonly number[]): Promise<string> {
  const folder = temporaryFolder();
  for (const file of [...layout.trainFiles, ...layout.testFiles]) {
    const records = layout.trainFiles.includes(file) ? layout.trainRecords : layout.testRecords;
    const parts = Array.from({ length: records }, (_, record) => [
      Uint8Array.from(labelsOf(record)),
      randomBytes(`${file} ${record}`, 3072),
    ]);
    await writeFile(join(folder, file), Buffer.concat(parts.flat()));
  }
  return folder;
}

describe("readCifar", () => {
  it("reads CIFAR-10: five files of training images in order, one of test images", async () => {
    const data = await readCifar(await write(small10, (record) => [record + 5]), small10);
    expect(data.name).toBe("cifar10");
    expect(data.classes).toHaveLength(10);
    expect(data.classes[6]).toBe("frog");
    expect(data.sampleShape).toEqual([3, 32, 32]);
    expect([...data.train.labels]).toEqual([5, 6, 7, 5, 6, 7, 5, 6, 7, 5, 6, 7, 5, 6, 7]);
    expect([data.train.count, data.test.count]).toEqual([15, 2]);
    expect(data.train.images.subarray(7 * 3072, 8 * 3072)).toEqual(randomBytes("data_batch_3.bin 1", 3072));
    expect(data.test.images.subarray(3072)).toEqual(randomBytes("test_batch.bin 1", 3072));
    expect(data.train.images.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(data.train.labels.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it("reads CIFAR-100 by its fine labels", async () => {
    const data = await readCifar(await write(small100, (record) => [record, 99 - record]), small100);
    expect([...data.train.labels]).toEqual([99, 98, 97, 96]);
    expect([...data.test.labels]).toEqual([99, 98]);
    expect(data.classes).toHaveLength(100);
    expect(new Set(data.classes).size).toBe(100);
    expect(data.classes).toEqual(data.classes.toSorted());
    expect(data.train.images.subarray(3072, 2 * 3072)).toEqual(randomBytes("train.bin 1", 3072));
  });

  it("names a missing file and all files of the dataset", async () => {
    const folder = await write(small10, () => [0]);
    await rm(join(folder, "data_batch_4.bin"));
    const error = await userError(readCifar(folder, small10), "missing-file");
    expect(error.message).toContain(join(folder, "data_batch_4.bin"));
    expect(error.message).toContain("data_batch_5.bin, test_batch.bin");
  });

  it.each([
    ["cut short", 3 * 3073 - 1],
    ["cut short", 2 * 3073],
    ["cut short", 0],
    ["too long", 3 * 3073 + 1],
    ["too long", 4 * 3073],
  ])("says that a file is %s, at %i bytes", async (what, size) => {
    const folder = await write(small10, () => [0]);
    await writeFile(join(folder, "data_batch_2.bin"), new Uint8Array(size));
    const error = await userError(readCifar(folder, small10), "bad-file");
    expect(error.message).toContain(`data_batch_2.bin: the file is ${what}`);
    expect(error.details.expected).toBe("9219 bytes, 3 records of 3073");
    expect(error.details.received).toBe(`${size} bytes`);
  });

  it("refuses a label out of range, of either kind", async () => {
    const ten = await userError(readCifar(await write(small10, (record) => [record + 8]), small10), "bad-file");
    expect(ten.message).toContain("data_batch_1.bin: the label of record 2 (byte 6146) is out of range");
    expect(ten.message).toContain("expected 0 to 9, got 10");
    const coarse = await userError(readCifar(await write(small100, () => [20, 0]), small100), "bad-file");
    expect(coarse.message).toContain("record 0 (byte 0) is out of range (expected 0 to 19, got 20)");
    const fine = await userError(readCifar(await write(small100, () => [0, 100]), small100), "bad-file");
    expect(fine.message).toContain("record 0 (byte 1) is out of range (expected 0 to 99, got 100)");
  });
});
