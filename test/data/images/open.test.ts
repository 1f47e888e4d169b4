import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { FileSplit } from "../../../src/data/dataset.ts";
import { openImages } from "../../../src/data/images/open.ts";
import { openDataset } from "../../../src/data/open.ts";
import { images } from "../../../src/data/references.ts";
import { temporaryFolder, userError } from "../support.ts";
import { writeBroken } from "./images.ts";

/** Makes files that are listed but never decoded. `names`: paths below the folder. */
function folderOf(...names: readonly string[]): string {
  const folder = temporaryFolder();
  for (const name of names) writeBroken(join(folder, name), name);
  return folder;
}

function numbered(folder: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${folder}/${index}.jpg`);
}

const labelled = ({ files, labels }: FileSplit): string[] =>
  files.map(({ path }, index) => `${path}=${labels[index]}`).sort();

describe("openImages", () => {
  it("labels by the sorted class folders of train and test", async () => {
    const folder = folderOf(
      "train/dog/1.jpg",
      "train/Cat/1.png",
      "train/Cat/2.JPEG",
      "val/Cat/9.webp",
      "val/dog/8.jpg",
    );
    const data = await openImages(folder);
    expect(data.classes).toEqual(["Cat", "dog"]);
    expect(labelled(data.train)).toEqual(["train/Cat/1.png=0", "train/Cat/2.JPEG=0", "train/dog/1.jpg=1"]);
    expect(labelled(data.test)).toEqual(["val/Cat/9.webp=0", "val/dog/8.jpg=1"]);
    expect(data.sampleShape).toEqual([3, 224, 224]);
    expect(data.preparation).toEqual({
      size: [224, 224],
      channels: 3,
      mean: [0.485, 0.456, 0.406],
      standardDeviation: [0.229, 0.224, 0.225],
      centreCrop: 0.875,
      testShare: 0.2,
      splitSeed: 1,
    });
    expect(data.notes).toEqual([]);
  });

  it("prefers test to val, except ImageNet's test without classes", async () => {
    const both = folderOf(
      "train/a/1.jpg",
      "train/b/1.jpg",
      "test/a/2.jpg",
      "test/b/2.jpg",
      "val/a/3.jpg",
      "val/b/3.jpg",
    );
    expect(labelled((await openImages(both)).test)).toEqual(["test/a/2.jpg=0", "test/b/2.jpg=1"]);
    const imageNet = folderOf("train/a/1.jpg", "train/b/1.jpg", "test/2.jpg", "val/a/3.jpg", "val/b/3.jpg");
    expect(labelled((await openImages(imageNet)).test)).toEqual(["val/a/3.jpg=0", "val/b/3.jpg=1"]);
  });

  it("takes train for a class if the folder beside it is a class too", async () => {
    const folder = folderOf(...numbered("train", 5), ...numbered("bus", 5));
    expect((await openImages(folder)).classes).toEqual(["bus", "train"]);
  });

  it("holds out the same share of each class every time, and notes it", async () => {
    const folder = folderOf(...numbered("a", 30), ...numbered("b", 10), ...numbered("c", 2));
    const { train, test, notes } = await openImages(folder);
    const perClass = (split: FileSplit): number[] =>
      [0, 1, 2].map((label) => split.labels.filter((one) => one === label).length);
    expect([perClass(train), perClass(test)]).toEqual([
      [24, 8, 1],
      [6, 2, 1],
    ]);
    expect(new Set([...labelled(train), ...labelled(test)]).size).toBe(42);
    expect(notes?.[0]).toMatch(/20 % of each class was held out \(seed 1\)/);
    expect((await openImages(folder)).test.files).toEqual(test.files);
    expect(labelled((await openImages(folder, { splitSeed: 2 })).test)).not.toEqual(labelled(test));
    expect(perClass((await openImages(folder, { testShare: 0.5 })).test)).toEqual([15, 5, 1]);
    expect((await openImages(folder, { testShare: 1 })).train.count).toBe(0);
  });

  it("mixes the classes, so that the first images are a fair sample", async () => {
    const { train } = await openImages(folderOf(...numbered("a", 100), ...numbered("b", 100)));
    const first = train.labels.subarray(0, 40).reduce((sum, label) => sum + label, 0);
    expect(first).toBeGreaterThan(8);
    expect(first).toBeLessThan(32);
  });

  it("sorts numbers by value, follows links, omits hidden files and notes the files that it skipped", async () => {
    const folder = folderOf(
      "10/a.jpg",
      "10/b.jpg",
      "9/a.jpg",
      "9/b.jpg",
      "9/c.heic",
      "9/notes.txt",
      ".git/x.jpg",
      "9/._a.jpg",
    );
    const elsewhere = folderOf("a.jpg", "b.jpg");
    symlinkSync(elsewhere, join(folder, "11"));
    const { classes, train, test, notes } = await openImages(folder);
    expect(classes).toEqual(["9", "10", "11"]);
    expect(train.count + test.count).toBe(6);
    expect(notes?.[1]).toMatch(/skipped \(1\): "9\/c.heic"/);
  });

  it("prepares for the network's input unless the caller asks for another size", async () => {
    const folder = folderOf(...numbered("a", 4), ...numbered("b", 4));
    const grey = await openImages(folder, {}, [1, 28, 20]);
    expect(grey.sampleShape).toEqual([1, 28, 20]);
    expect(grey.normalization.mean).toHaveLength(1);
    expect((await openImages(folder, { size: 64 }, [3, 32, 32])).sampleShape).toEqual([3, 64, 64]);
    expect((await images(folder, { size: [8, 9] }).open([3, 32, 32])).sampleShape).toEqual([3, 8, 9]);
    expect((await openDataset(folder, { input: [3, 32, 32] })).sampleShape).toEqual([3, 32, 32]);
    await userError(openImages(folder, {}, [4, 32, 32]), "bad-option");
  });

  it("labels by a network's classes if those are given", async () => {
    const folder = folderOf("test/dog/1.jpg", "test/dog/2.jpg");
    const data = await openImages(folder, { classes: ["dog", "cat", "cow"] });
    expect([data.classes, [...data.test.labels]]).toEqual([
      ["dog", "cat", "cow"],
      [0, 0],
    ]);
    const error = await userError(openImages(folder, { classes: ["cat", "cow"] }), "bad-file");
    expect(error.message).toContain('the network does not know the class "dog"');
  });

  it.each([
    [
      "a class that is only in the test split",
      ["train/a/1.jpg", "test/a/1.jpg", "test/B/1.jpg"],
      /classes only for testing: "B"/,
    ],
    ["a single class", numbered("a", 9), /not enough classes.*at least 2.*only "a"/],
    ["images without classes", numbered(".", 3), /no class folders.*3 images that belong to no class/],
    ["a class of other formats", ["a/1.jpg", "b/1.heic"], /class "b" has no images.*other formats: "1.heic"/],
    ["a class of empty folders", ["a/1.jpg", "b/c/1.txt"], /class "b" has no images.*folders without images: "c"/],
    [
      "classes that hold the splits",
      ["a/train/1.jpg", "a/val/2.jpg", "b/train/3.jpg", "b/val/4.jpg"],
      /the classes hold the folders of the splits.*train\/a and val\/a/,
    ],
  ])("refuses %s", async (_, names, message) => {
    expect((await userError(openImages(folderOf(...names)), "bad-file")).message).toMatch(message);
  });

  it("refuses an empty class folder, an empty folder and a missing folder", async () => {
    const folder = folderOf("a/1.jpg");
    mkdirSync(join(folder, "empty"));
    expect((await userError(openImages(folder), "bad-file")).message).toContain('the class "empty" has no images');
    await userError(openImages(temporaryFolder()), "bad-file");
    await userError(openImages(join(folder, "nowhere")), "missing-file");
    await userError(openDataset("images"), "missing-file");
  });

  it.each([
    [{ size: 0 }, "size"],
    [{ size: [10, -1] as const }, "size"],
    [{ mean: [0.5, 0.5, 0.5] }, "go together"],
    [{ mean: [0, 0, 0], standardDeviation: [1, 1, 0] }, "standardDeviation"],
    [{ testShare: 1.5 }, "testShare"],
    [{ centreCrop: 0 }, "centreCrop"],
  ])("refuses %j", async (options, message) => {
    const folder = folderOf(...numbered("a", 4), ...numbered("b", 4));
    expect((await userError(openImages(folder, options), "bad-option")).message).toContain(message);
  });
});

describe("a CSV of paths and labels", () => {
  function csv(text: string): string {
    const folder = folderOf(...numbered("pictures", 6));
    writeFileSync(join(folder, "labels.csv"), text);
    return join(folder, "labels.csv");
  }
  const six = (tail: (index: number) => string): string =>
    Array.from({ length: 6 }, (_, index) => `pictures/${index}.jpg,${tail(index)}\n`).join("");

  it("is split by share or by its third column; may have quotes, a byte order mark and other columns", async () => {
    const data = await openDataset(
      csv(
        `\uFEFFid,Path,label\r\n${six((index) => (index % 2 ? "b, the second" : "a"))
          .replaceAll(/,(b, the second)/g, ',"$1"')
          .replaceAll(/^p/gm, "1,p")}`,
      ),
      {
        input: [3, 32, 32],
      },
    );
    expect(data.name).toBe("labels");
    expect(data.classes).toEqual(["a", "b, the second"]);
    expect([data.train.count, data.test.count]).toEqual([4, 2]);
    const split = await openImages(
      csv(`path,label,split\n${six((index) => `${index % 2},${index < 4 ? "train" : "val"}`)}`),
    );
    expect(labelled(split.test)).toEqual(["pictures/4.jpg=0", "pictures/5.jpg=1"]);
    expect(split.train.files[0]?.bytes).toBeGreaterThan(0);
  });

  it.each([
    ["file,class\na,b\n", /expected path,label, got file,class/],
    ["path,label\n", /lists no images/],
    ["", /lists no images|header/],
    [
      `path,label\n${six(() => "a")}pictures/0.jpg,b\n`,
      /line 8: the image pictures\/0.jpg is listed a second time; first on line 2/,
    ],
    ["path,label\na.jpg,\n", /line 2: the label is empty/],
    ["path,label\na.jpg\n", /not valid CSV/],
    ['path,label\n"a.jpg,b\n', /not valid CSV/],
    ["path,label,split\na.jpg,b,tset\n", /line 2: the split is unknown/],
    ["path,label,split\na.jpg,a,train\nb.jpg,b,train\nc.jpg,c,test\n", /only for testing: "c"/],
  ])("refuses %j", async (text, message) => {
    expect((await userError(openImages(csv(text)), "bad-file")).message).toMatch(message);
  });

  it("says so if there is none", async () => {
    await userError(openDataset("./nowhere.csv"), "missing-file");
  });
});
