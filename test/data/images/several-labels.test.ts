/** Tables of images with any number of labels: the forms that people have, and their mistakes. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import type { Dataset } from "../../../src/data/dataset.ts";
import { imagesByLabel } from "../../../src/data/label-sets.ts";
import { openDataset } from "../../../src/data/open.ts";
import { temporaryFolder, userError } from "../support.ts";

const images = ["a.png", "b.png", "c.png", "d.png"];
const expected = { "a.png": ["cat", "dog"], "b.png": ["dog"], "c.png": [], "d.png": ["cat", "sun"] };
const folder = temporaryFolder();
const picture = await sharp({ create: { width: 8, height: 8, channels: 3, background: "#336699" } })
  .png()
  .toBuffer();
mkdirSync(folder, { recursive: true });
for (const name of images) writeFileSync(join(folder, name), new Uint8Array(picture));

let written = 0;

function csv(text: string): string {
  const path = join(folder, `${written++}.csv`);
  writeFileSync(path, text);
  return path;
}

/** The names of each image's labels. */
function labelsOf({ train, test, classes, labelSets = [] }: Dataset): Record<string, readonly string[]> {
  return Object.fromEntries(
    [train, test].flatMap((split) =>
      "files" in split
        ? split.files.map(({ path }, index) => [
            path,
            (labelSets[split.labels[index] ?? -1] ?? []).map((label) => classes[label] ?? "?"),
          ])
        : [],
    ),
  );
}

const open = (path: string, size = 8): Promise<Dataset> => openDataset(path, { images: { size }, severalLabels: true });

describe("a CSV file of several labels", () => {
  it.each([
    ["semicolons", "path,labels\na.png,cat;dog\nb.png,dog\nc.png,\nd.png,sun; cat\n"],
    ["bars, and a separator at the end", "image,tags\na.png,cat|dog|\nb.png,dog|\nc.png,\nd.png,sun|cat\n"],
    ["commas", 'filename,label\na.png,"cat,dog"\nb.png,dog\nc.png,""\nd.png,"sun, cat"\n'],
    ["JSON", 'path,labels\na.png,"[""cat"",""dog""]"\nb.png,"[""dog""]"\nc.png,[]\nd.png,"[""sun"",""cat""]"\n'],
    ["Python", "Path,Labels\na.png,\"['cat', 'dog']\"\nb.png,['dog']\nc.png,[]\nd.png,\"['sun', 'cat']\"\n"],
    ["0 and 1", "path,cat,dog,sun\na.png,1,1,0\nb.png,0,1,0\nc.png,0,0,\nd.png,1.0,0.0,True\n"],
    ["a line for each label", "path,label\na.png,cat\na.png,dog\nb.png,dog\nc.png,\nd.png,sun\nd.png,cat\n"],
  ])("with %s", async (_, text) => {
    const data = await open(csv(text));
    expect(data.classes).toEqual(["cat", "dog", "sun"]);
    expect(labelsOf(data)).toEqual(expected);
    expect(data.notes?.join()).toContain("An image has 1.25 labels in the mean, 1 of 4 images have none");
    expect(data.notes?.join()).toContain("20 % of the images was held out");
  });

  it("with Python's quotes, which differ where a label has an apostrophe", async () => {
    const data = await open(csv(`path,labels\na.png,"[""cat's"", 'dog']"\nb.png,['dog']\n`));
    expect(data.classes).toEqual(["cat's", "dog"]);
  });

  it("keeps the order of the columns, the split, and labels that only test images have", async () => {
    const columns = await open(csv("path,split,sun,cat\na.png,train,0,1\nb.png,train,1,0\nc.png,val,1,1\n"));
    expect(columns.classes).toEqual(["sun", "cat"]);
    expect([columns.train.count, columns.test.count]).toEqual([2, 1]);
    const names = await open(csv("path,labels,split\na.png,cat,train\nb.png,dog,train\nc.png,rare;cat,test\n"));
    expect(names.classes).toEqual(["cat", "dog", "rare"]);
    expect(imagesByLabel(names.train.labels, names.labelSets ?? [], 3)).toEqual([1, 1, 0]);
  });

  it("reads the names of a network in its order, and refuses others", async () => {
    const path = csv("path,labels\na.png,cat;dog\nb.png,dog\n");
    const classes = ["dog", "bird", "cat"];
    const data = await openDataset(path, { images: { size: 8, classes }, severalLabels: true });
    expect(data.classes).toEqual(classes);
    expect(labelsOf(data)).toMatchObject({ "a.png": ["dog", "cat"], "b.png": ["dog"] });
    const other = openDataset(path, { images: { size: 8, classes: ["cat"] }, severalLabels: true });
    expect((await userError(other, "bad-file")).message).toContain('does not know the class "dog"');
  });

  it.each([
    ["path,cat,age\na.png,1,32\n", /line 2: column "age" is not 0 or 1 .*Remove columns that are not classes/s],
    ["path,cat\na.png,-1\n", /uncertain label/],
    ["path,labels\na.png,cat;;dog\n", /line 2: a label is empty/],
    ["path,labels\na.png,[cat\n", /line 2: the list of labels cannot be read/],
    [`path,labels\na.png,"${"[".repeat(20_000)}"\n`, /line 2: .* got \[{80}…\)/],
    ["path,labels\na.png,\nb.png,\n", /no image has a label/],
    ["labels\ncat\n", /not the expected header/],
    ["path\na.png\n", /not the expected header/],
    ["path,labels\n,cat\n", /line 2: the path is empty/],
    ["path,labels\n", /lists no images/],
    ["path,labels,split\na.png,cat,train\na.png,dog,test\n", /line 3: the image a.png is in two splits/],
    ["path,labels,split\na.png,cat,train\nb.png,dog,later\n", /line 3: the split is unknown/],
    ['path,labels\n"a.png,cat\n', /not valid CSV/],
  ])("refuses %j", async (text, message) => {
    expect((await userError(open(csv(text)), "bad-file")).message).toMatch(message);
  });
});

describe("without --task multi-label", () => {
  it("labels that look like lists are pointed out", async () => {
    const data = await openDataset(csv("path,label\na.png,cat;dog\nb.png,dog\nc.png,dog\n"), { images: { size: 8 } });
    expect(data.classes).toEqual(["cat;dog", "dog"]);
    expect(data.notes?.join()).toContain('Labels such as "cat;dog" are read as one class each; --task multi-label');
  });

  it("columns of 0 and 1 are pointed out", async () => {
    const refused = openDataset(csv("path,cat,dog\na.png,1,0\n"), { images: { size: 8 } });
    expect((await userError(refused, "bad-file")).message).toContain("--task multi-label");
  });
});

it("a folder of classes is refused, with what to do", async () => {
  const place = join(temporaryFolder(), "classes");
  for (const name of ["cat", "dog"]) {
    mkdirSync(join(place, name), { recursive: true });
    for (const image of images) writeFileSync(join(place, name, image), new Uint8Array(picture));
  }
  expect((await userError(open(place), "bad-option")).message).toMatch(/one label for each image.*CSV/s);
});

describe("a Parquet file of several labels", () => {
  type Column = Parameters<typeof parquetWriteBuffer>[0]["columnData"][number];

  function table(columns: readonly Column[], features?: object): string {
    const path = join(folder, `${written++}.parquet`);
    const data = images.map(() => new Uint8Array(picture));
    const huggingface = JSON.stringify({ info: { features } });
    const bytes = parquetWriteBuffer({
      columnData: [{ name: "image", data, type: "BYTE_ARRAY" }, ...columns],
      ...(features === undefined ? {} : { kvMetadata: [{ key: "huggingface", value: huggingface }] }),
    });
    writeFileSync(path, new Uint8Array(bytes));
    return path;
  }

  /** The labels of the images in the order of the file. */
  async function read(path: string): Promise<readonly (readonly string[])[]> {
    const named = labelsOf(await open(path));
    return images.map((_, row) => Object.entries(named).find(([place]) => place.endsWith(`row ${row}`))?.[1] ?? ["?"]);
  }

  it("as names with separators, and as 0 and 1", async () => {
    const texts: Column = { name: "labels", data: ["cat;dog", "dog", "", "sun;cat"], type: "STRING" };
    expect(await read(table([texts]))).toEqual(Object.values(expected));
    const marks = table([
      { name: "cat", data: [1, 0, 0, 1], type: "INT32" },
      { name: "dog", data: [true, true, false, false], type: "BOOLEAN" },
      { name: "sun", data: [0, 0, 0, 1], type: "DOUBLE" },
    ]);
    expect(await read(marks)).toEqual(Object.values(expected));
  });

  it("as JSON, and as lists of numbers that the metadata names", async () => {
    const lists = [["cat", "dog"], ["dog"], [], ["sun", "cat"]];
    expect(await read(table([{ name: "labels", data: lists, type: "JSON" }]))).toEqual(Object.values(expected));
    const numbers = [[0, 1], [1], [], [2, 0]];
    const features = { labels: { feature: { names: ["cat", "dog", "sun"], _type: "ClassLabel" }, _type: "Sequence" } };
    expect(await read(table([{ name: "labels", data: numbers, type: "JSON" }], features))).toEqual(
      Object.values(expected),
    );
  });

  it("refuses other columns, and numbers that are no class", async () => {
    const age = table([{ name: "age", data: [1, 32, 0, 1], type: "INT32" }]);
    expect((await userError(open(age), "bad-file")).message).toMatch(/row 1: column "age" is not 0 or 1/);
    const features = { labels: { feature: { names: ["cat"] } } };
    const numbers = table([{ name: "labels", data: [[0], [3], [], []], type: "JSON" }], features);
    expect((await userError(open(numbers), "bad-file")).message).toMatch(/row 1: the label is not a class/);
  });
});
