import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { RandomStream } from "../../../src/core/random.ts";
import { imageAugmentation } from "../../../src/data/images/open.ts";
import { ANY_CLASS, listUnlabelled } from "../../../src/data/images/unlabelled.ts";
import { TrainingLoader } from "../../../src/data/loader.ts";
import { openDataset } from "../../../src/data/open.ts";
import { temporaryFolder, userError } from "../support.ts";

/** A new folder with empty files of these names. */
function folderOf(...names: readonly string[]): string {
  const folder = temporaryFolder();
  for (const name of names) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), "");
  }
  return folder;
}

describe("images without labels", () => {
  it("are all those below a folder, at any depth", async () => {
    const folder = folderOf("b.jpg", "a/1.png", "a/deep/er/2.png", "notes.txt", "c.heic", ".hidden/3.png");
    const { train, test } = await listUnlabelled(folder);
    expect(train.files.map(({ path }) => path)).toEqual(["a/1.png", "a/deep/er/2.png", "b.jpg"]);
    expect([train.classes, train.skipped, test]).toEqual([[ANY_CLASS], ["c.heic"], undefined]);
  });

  it("are split as the folders train and val say", async () => {
    const { train, test } = await listUnlabelled(folderOf("train/x/1.jpg", "train/2.jpg", "val/3.jpg", "4.jpg"));
    expect(train.files.map(({ path }) => path)).toEqual(["train/2.jpg", "train/x/1.jpg"]);
    expect(test?.files.map(({ path }) => path)).toEqual(["val/3.jpg"]);
  });

  it("are all those of a folder that has only one of the two", async () => {
    const { train, test } = await listUnlabelled(folderOf("train/1.jpg", "more/2.jpg"));
    expect(train.files.map(({ path }) => path)).toEqual(["more/2.jpg", "train/1.jpg"]);
    expect(test).toBeUndefined();
  });

  it("have one label, and a share of them is held out", async () => {
    const folder = folderOf(...Array.from({ length: 10 }, (_, at) => `${at}.jpg`));
    const { classes, isUnlabelled, train, test, notes } = await openDataset(folder, { unlabelled: true });
    expect(notes).toEqual(["The data has no test split: 20 % of the images was held out (seed 1)"]);
    expect([classes, isUnlabelled, train.count, test.count]).toEqual([[ANY_CLASS], true, 8, 2]);
    expect([...train.labels, ...test.labels]).toEqual(Array.from({ length: 10 }, () => 0));
  });

  it("are shown whole if they have the size of the network, and else in parts", async () => {
    const folder = temporaryFolder();
    const random = new RandomStream(3, "pixels");
    const [width, height] = [7, 5];
    const written = Array.from({ length: 10 }, () =>
      Buffer.from(Array.from({ length: 105 }, () => random.integer(256))),
    );
    for (const [at, pixels] of written.entries()) {
      await sharp(pixels, { raw: { width, height, channels: 3 } })
        .png()
        .toFile(join(folder, `${at}.png`));
    }
    const constants = { mean: [0, 0, 0], standardDeviation: [1, 1, 1] };
    const open = (size: readonly [number, number]) =>
      openDataset(folder, { unlabelled: true, input: [3, ...size], imageDefaults: constants });
    const { train, augmentation, normalization, preparation } = await open([height, width]);
    expect(preparation?.centreCrop).toBe(1);
    const loader = new TrainingLoader({ split: train, augmentation, normalization, batch: train.count, seed: 2 });
    const { images } = await loader.next();
    // The bytes of each image, mirrored or not: whatever was scaled would have others.
    const planes = (pixels: Buffer, isMirrored: boolean): string =>
      Array.from({ length: 105 }, (_, at) => {
        const [channel, row, column] = [Math.floor(at / 35), Math.floor((at % 35) / width), at % width];
        return pixels[(row * width + (isMirrored ? width - 1 - column : column)) * 3 + channel];
      }).join();
    const shown = new Set(written.flatMap((pixels) => [planes(pixels, false), planes(pixels, true)]));
    const rows = Array.from({ length: train.count }, (_, image) =>
      [...images.data.subarray(image * 105, (image + 1) * 105)].map((value) => Math.round(255 * value)).join(),
    );
    await loader.dispose();
    expect(rows.filter((row) => !shown.has(row))).toEqual([]);
    expect(new Set(rows).size).toBe(8);

    const other = await open([height, 6]);
    expect([other.preparation?.centreCrop, other.augmentation]).toEqual([0.875, imageAugmentation]);
    const given = await openDataset(folder, {
      unlabelled: true,
      input: [3, height, width],
      images: { centreCrop: 0.5 },
    });
    expect(given.preparation?.centreCrop).toBe(0.5);
  });

  it.each([
    ["an empty folder", [], /there are no images.*an empty folder/],
    ["other files", ["notes.txt"], /there are no images.*1 other files/],
    ["a test split without images", ["train/1.jpg", "val/notes.txt"], /there are no images/],
  ])("are missed in %s", async (_, names, message) => {
    expect((await userError(listUnlabelled(folderOf(...names)), "bad-file")).message).toMatch(message);
  });

  it("are missed in a folder that does not exist", async () => {
    await userError(listUnlabelled(join(temporaryFolder(), "nowhere")), "missing-file");
  });
});
