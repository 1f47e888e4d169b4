/** Folders as people have them: each stands for a kind that readers stumble over. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import type { FileSplit } from "../../../src/data/dataset.ts";
import { evaluationBatches } from "../../../src/data/evaluation-batches.ts";
import { readDataFile } from "../../../src/data/files.ts";
import { checkImages } from "../../../src/data/images/check.ts";
import { whiteOf } from "../../../src/data/images/depth.ts";
import { openImages } from "../../../src/data/images/open.ts";
import { temporaryFolder } from "../support.ts";
import { writePicture } from "./images.ts";

const names = ["blue", "green", "grey", "red"];
const side = 12;

let plain: Buffer;
let root: string;

function put(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), bytes);
}

/** The pixels of the images of `split`, unnormalised: the mean of each, 0 … 255, by path. */
async function brightness(split: FileSplit): Promise<Map<string, number>> {
  const means = new Map<string, number>();
  const size = split.sampleShape.reduce((product, extent) => product * extent, 1);
  const bytes = { mean: [0], standardDeviation: [1 / 255] };
  for await (const { images, places } of evaluationBatches(split, bytes, 5)) {
    for (const [slot, place] of places.entries()) {
      const pixels = images.data.subarray(slot * size, (slot + 1) * size);
      means.set(split.files[place]?.path ?? "", pixels.reduce((sum, value) => sum + value, 0) / size);
    }
  }
  return means;
}

beforeAll(async () => {
  root = temporaryFolder();
  await writePicture(join(root, "plain.png"), { noise: 40 });
  plain = await sharp(join(root, "plain.png")).png().toBuffer();
});

describe("a folder", () => {
  it.each([
    ["Train", "Test"],
    ["training", "Testing"],
    ["TRAIN", "Valid"],
  ])("with its parts in %s and %s has these parts, not these classes", async (train, test) => {
    for (const part of [train, test]) for (const name of names) put(`${train}-${test}/${part}/${name}/0.png`, plain);
    const data = await openImages(join(root, `${train}-${test}`), { size: side });
    expect(data.classes).toEqual(names);
    const paths = ({ files }: FileSplit): readonly string[] => files.map(({ path }) => path).toSorted();
    expect(paths(data.train)).toEqual(names.map((name) => `${train}/${name}/0.png`));
    expect(paths(data.test)).toEqual(names.map((name) => `${test}/${name}/0.png`));
  });

  it("with a part for testing and one for validation says which is not used", async () => {
    for (const part of ["train", "val", "test"]) for (const name of names) put(`three/${part}/${name}/0.png`, plain);
    const data = await openImages(join(root, "three"), { size: side });
    for (const { path } of data.test.files) expect(path).toMatch(/^test\//);
    expect(data.notes).toContain('Not used, for there is another part for testing: "val"');
  });

  it("of 12 bits in 16 is stretched by what is in it, the same for all its images", async () => {
    for (const [label, name] of names.entries()) {
      for (let image = 0; image < 4; image++) {
        const deep = Uint16Array.from({ length: side * side }, () => 300 + label * 1200);
        const pipeline = sharp(deep, { raw: { width: side, height: side, channels: 1 } }).toColourspace("grey16");
        put(`twelve/${name}/${image}.png`, await pipeline.png().toBuffer());
      }
    }
    const data = await openImages(join(root, "twelve"), { channels: 1, size: side, testShare: 0.5 });
    expect(data.preparation?.white).toBe(4095);
    expect(data.notes?.[1]).toContain("16-bit images hold values up to 3,900: 4,095 becomes white");
    const means = await brightness(data.test);
    expect(means.size).toBe(8);
    for (const [path, mean] of means) {
      const label = names.indexOf(path.split("/")[0] ?? "");
      expect(mean).toBeCloseTo(Math.round((255 * (300 + label * 1200)) / 4095), 3);
    }
    const asTheyAre = await openImages(join(root, "twelve"), { channels: 1, size: side, white: 65535 });
    for (const mean of (await brightness(asTheyAre.test)).values()) expect(mean).toBeLessThan(16);
    expect(asTheyAre.notes?.join()).not.toContain("becomes white");
  });

  it("knows the bits that values need", () => {
    const whites = [0, 200, 255, 256, 1023, 4071, 9000, 16383, 16384, 65535].map(whiteOf);
    expect(whites).toEqual([255, 255, 255, 511, 1023, 4095, 16383, 16383, 65535, 65535]);
  });

  it("without 16-bit images has no white", async () => {
    for (const name of names.slice(0, 2)) for (const image of [1, 2]) put(`eight/${name}/${image}.png`, plain);
    expect((await openImages(join(root, "eight"))).preparation?.white).toBeUndefined();
  });

  it("whose names say JPEG is read by what the files are", async () => {
    const bmp = Buffer.alloc(54 + 3 * side * side, 90);
    bmp.write("BM");
    bmp.writeUInt32LE(54, 10);
    bmp.writeUInt32LE(40, 14);
    bmp.writeInt32LE(side, 18);
    bmp.writeInt32LE(side, 22);
    bmp.writeUInt16LE(24, 28);
    bmp.writeUInt32LE(0, 30);
    bmp.writeUInt32LE(0, 46);
    const picture = sharp(plain);
    const forms = [plain, await picture.jpeg().toBuffer(), await picture.gif().toBuffer(), bmp];
    for (const name of names) for (const [index, form] of forms.entries()) put(`wrong/${name}/${index}.jpg`, form);
    const { test } = await openImages(join(root, "wrong"), { size: side, channels: 1, testShare: 1 });
    expect((await brightness(test)).size).toBe(16);
    expect(test.unreadable.count).toBe(0);
  });

  it("with folders inside its classes gives them to the classes, whatever their names", async () => {
    for (const name of names) {
      put(`nested/${name}/session 1/a.png`, plain);
      put(`nested/${name}/sitzung-ü/deep/b.png`, plain);
      put(`nested/${name}/c.png`, plain);
    }
    // A link back to the class does not make its images twice.
    symlinkSync(join(root, "nested", "red"), join(root, "nested", "red", "session 1", "again"));
    const { train, test, classes, notes } = await openImages(join(root, "nested"), { testShare: 0.34 });
    expect([classes, train.count, test.count]).toEqual([names, 8, 4]);
    const paths = [...train.files, ...test.files].map(({ path }) => path);
    expect(paths).toContain("red/sitzung-ü/deep/b.png");
    expect(notes?.[1]).toContain('belong to the class: "blue", "green", "grey", "red"');
  });

  it("whose validation part lacks a class is scored by name on the others", async () => {
    for (const name of names) put(`lacks/train/${name}/1.png`, plain);
    for (const name of names.filter((one) => one !== "green")) put(`lacks/val/${name}/2.png`, plain);
    const { test, classes, notes } = await openImages(join(root, "lacks"));
    expect(classes).toEqual(names);
    for (const [index, { path }] of test.files.entries()) {
      expect(names[test.labels[index] ?? -1]).toBe(path.split("/")[1]);
    }
    const note = 'There are no test images of the class "green": the accuracy says nothing about it';
    expect(notes).toEqual([note]);
    // The share to hold out says nothing about a split that exists.
    expect((await openImages(join(root, "lacks"), { testShare: 0 })).notes).toEqual([note]);
  });

  it.skipIf(sep === "\\")("finds images with a backslash in their names", async () => {
    for (const name of names) put(`odd/${name}/1\\2.png`, plain);
    const { train } = await openImages(join(root, "odd"), { channels: 1, size: side, testShare: 0 });
    expect((await brightness(train)).size).toBe(4);
  });

  it("names the share that is held out in as few digits as it has", async () => {
    for (const name of names) for (const image of [1, 2]) put(`share/${name}/${image}.png`, plain);
    const { notes } = await openImages(join(root, "share"), { testShare: 0.07 });
    expect(notes?.[0]).toContain(": 7 % of each class");
  });

  it.skipIf(!existsSync("/dev/zero"))(
    "with a pipe and a device among its images reports them as unreadable",
    async () => {
      for (const name of names) for (const image of [0, 1, 2, 3]) put(`odd/${name}/${image}.png`, plain);
      execFileSync("mkfifo", [join(root, "odd/red/pipe.png")]);
      symlinkSync("/dev/zero", join(root, "odd/red/zero.png"));
      const data = await openImages(join(root, "odd"), { channels: 3, size: side, testShare: 0.5 });
      await Promise.all([checkImages(data.train), checkImages(data.test)]);
      const found = [...data.train.unreadable.images, ...data.test.unreadable.images];
      expect(found.map(({ path, reason }) => [path, reason]).toSorted()).toEqual(
        ["red/pipe.png", "red/zero.png"].map((path) => [path, "it is a pipe or a device, not a file"]),
      );
      await expect(readDataFile("/dev/zero")).rejects.toMatchObject({ code: "bad-file" });
    },
  );

  it("with a single image of a class trains on it and says that it is not tested", async () => {
    for (const name of names) put(`few/${name}/1.png`, plain);
    for (const name of names.slice(1)) put(`few/${name}/2.png`, plain);
    const { train, test, notes } = await openImages(join(root, "few"));
    expect([[...train.labels].sort(), [...test.labels].sort()]).toEqual([
      [0, 1, 2, 3],
      [1, 2, 3],
    ]);
    expect(notes?.[1]).toContain('no test images of the class "blue"');
  });
});
