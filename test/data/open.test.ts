import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { type CifarLayout, cifar10Layout, cifar100Layout, cifarRecordBytes } from "../../src/data/cifar.ts";
import { openDataset } from "../../src/data/open.ts";
import { temporaryFolder, userError } from "./support.ts";

/** Sparse files of the full size: all pixels black, all labels 0. */
async function writeBlack(folder: string, layout: CifarLayout): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const file of [...layout.trainFiles, ...layout.testFiles]) {
    const records = layout.trainFiles.includes(file) ? layout.trainRecords : layout.testRecords;
    await writeFile(join(folder, file), "");
    await truncate(join(folder, file), records * cifarRecordBytes(layout));
  }
}

describe("openDataset", () => {
  it("recognises the files of a folder, also inside the official archive's folder", async () => {
    const ten = temporaryFolder();
    await writeBlack(join(ten, "cifar-10-batches-bin"), cifar10Layout);
    const data = await openDataset(ten);
    expect([data.name, data.train.count, data.test.count]).toEqual(["cifar10", 50_000, 10_000]);
    expect(data.augmentation).toEqual({ pad: 4, flip: true });
    expect((await openDataset(relative(process.cwd(), ten))).name).toBe("cifar10");
    expect((await openDataset(`cifar10:${ten}`)).name).toBe("cifar10");
    const error = await userError(openDataset(ten, { images: { size: 64 } }), "bad-option");
    expect(error.message).toContain("the images of cifar10 have a fixed preparation");
    // Files that leave the size open need it said.
    for (const size of [32, [32, 32]] as const)
      expect((await openDataset(ten, { images: { size } })).sampleShape).toEqual([3, 32, 32]);
    await userError(openDataset(ten, { images: { size: [32, 64] } }), "bad-option");
    await userError(openDataset(ten, { images: { size: 32, white: 255 } }), "bad-option");
    // Constants of a network for grey images: that it does not fit is told where network and data meet.
    const grey = { mean: [0.5], standardDeviation: [0.2] };
    expect((await openDataset(ten, { imageDefaults: grey })).normalization).toEqual(data.normalization);
    const asked = await userError(openDataset(ten, { images: grey }), "bad-option");
    expect(asked.message).toContain("expected 3 means and as many standard deviations above 0");
    const hundred = temporaryFolder();
    await writeBlack(hundred, cifar100Layout);
    expect((await openDataset(hundred)).name).toBe("cifar100");
    expect((await openDataset(`cifar100:${hundred}/`)).classes).toHaveLength(100);
  });

  it("refuses a folder with two datasets and names both", async () => {
    const folder = temporaryFolder();
    await writeFile(join(folder, "test_batch.bin"), "");
    await writeFile(join(folder, "train.bin"), "");
    const error = await userError(openDataset(folder), "bad-option");
    expect(error.message).toContain("files of cifar10 and cifar100");
    expect(error.message).toContain("cifar10:folder or cifar100:folder");
  });

  it("lists the expected files for a folder without a dataset", async () => {
    const folder = temporaryFolder();
    const error = await userError(openDataset(folder), "missing-file");
    expect(error.message).toContain(`${folder}: no dataset in this folder`);
    const named = await userError(openDataset(`cifar10:${folder}`), "missing-file");
    expect(named.message).toContain("data_batch_1.bin");
    await writeFile(join(folder, "cat.jpg"), "");
    expect((await userError(openDataset(folder), "missing-file")).message).toContain("one folder for each class");
    await writeFile(join(folder, "labels.csv"), "path,label\n");
    expect((await userError(openDataset(folder), "missing-file")).message).toContain(join(folder, "labels.csv"));
  });

  it.each([
    ["cifr10", 'unknown dataset "cifr10". Did you mean "cifar10"?'],
    ["fashion-mnsit:somewhere", 'Did you mean "fashion-mnist"?'],
    ["imagenet", "Known: cifar10, cifar100, mnist, fashion-mnist"],
    ["constructor", 'unknown dataset "constructor"'],
    ["", 'unknown dataset ""'],
  ])("does not know %j", async (spec, message) => {
    expect((await userError(openDataset(spec), "unknown-name")).message).toContain(message);
  });

  it.each(["./nowhere", "cifar10:./nowhere", "cifar10:", "~/no-such-folder-here", "C:\\nowhere"])(
    "says that the folder of %j is missing",
    async (spec) => {
      expect((await userError(openDataset(spec), "missing-file")).message).toContain("no such folder");
    },
  );

  it.each(["cifar100", "mnist"])("asks for the folder of %s, which is not downloaded", async (name) => {
    expect((await userError(openDataset(name), "missing-file")).message).toContain(`--data ${name}:path/to/folder`);
  });
});
