import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { evaluationBatches } from "../../../src/data/evaluation-batches.ts";
import { ParquetThread } from "../../../src/data/images/parquet-thread.ts";
import { TrainingLoader } from "../../../src/data/loader.ts";
import { openDataset } from "../../../src/data/open.ts";
import { collect, temporaryFolder, userError } from "../support.ts";
import { blue, green, red } from "./images.ts";

const colours = [red, green, blue];
const names = ["zebra", "ant", "moth"];

/** A PNG of one of the colours. */
function picture(label: number, width = 20): Promise<Buffer> {
  return sharp({ create: { width, height: 16, channels: 3, background: colours[label] ?? red } })
    .png()
    .toBuffer();
}

interface TableOptions {
  readonly image?: string;
  readonly labels?: readonly (number | string)[];
  readonly classNames?: readonly string[];
  readonly rowGroupSize?: number;
}

/** A Parquet file with one picture for each label; the labels cycle through the classes unless `labels` is given. */
async function table(
  path: string,
  count: number,
  { image = "image", labels, classNames, rowGroupSize = 1000 }: TableOptions = {},
): Promise<string> {
  const classes = Array.from({ length: count }, (_, at) => at % 3);
  const given = labels ?? classes;
  const isText = typeof given[0] === "string";
  const pictures = await Promise.all(classes.map((label, at) => picture(label, 18 + at)));
  const features = { [image]: { _type: "Image" }, label: { names: classNames, _type: "ClassLabel" } };
  const bytes = parquetWriteBuffer({
    columnData: [
      { name: image, data: pictures.map((each) => new Uint8Array(each)), type: "BYTE_ARRAY" },
      { name: "label", data: [...given], type: isText ? "STRING" : "INT32" },
    ],
    rowGroupSize,
    ...(classNames === undefined
      ? {}
      : { kvMetadata: [{ key: "huggingface", value: JSON.stringify({ info: { features } }) }] }),
  });
  writeFileSync(path, new Uint8Array(bytes));
  return path;
}

/** The class of each image by its colour, and its label, both in the split's order. */
async function coloursAndLabels(dataset: Awaited<ReturnType<typeof openDataset>>): Promise<[number, number][]> {
  const none = { mean: [0, 0, 0], standardDeviation: [1, 1, 1] };
  const [, height, width] = dataset.sampleShape;
  const batches = await collect(evaluationBatches(dataset.train, none, dataset.train.count));
  return batches.flatMap(({ images, labels, count }) =>
    Array.from({ length: count }, (_, n): [number, number] => {
      const channel = (c: number): number => images.data[(n * 3 + c) * height * width] ?? 0;
      return [[0, 1, 2].toSorted((a, b) => channel(b) - channel(a))[0] ?? 0, labels.data[n] ?? -1];
    }),
  );
}

const input = [3, 8, 8] as const;

describe("a Parquet file", () => {
  it("gives each image its label, over several row groups, and holds out a part", async () => {
    const path = await table(join(temporaryFolder(), "colours.parquet"), 30, { rowGroupSize: 7 });
    const dataset = await openDataset(path, { input });
    expect([dataset.name, dataset.classes, dataset.train.count, dataset.test.count]).toEqual([
      "colours",
      ["0", "1", "2"],
      24,
      6,
    ]);
    for (const [colour, label] of await coloursAndLabels(dataset)) expect(label).toBe(colour);
  });

  it("takes class names and their order from its metadata", async () => {
    const path = await table(join(temporaryFolder(), "named.parquet"), 12, { classNames: names });
    const dataset = await openDataset(path, { input });
    expect(dataset.classes).toEqual(names);
    for (const [colour, label] of await coloursAndLabels(dataset)) expect(label).toBe(colour);
  });

  it("may have names as labels, and another known column name for its images", async () => {
    const labels = Array.from({ length: 12 }, (_, at) => names[at % 3] ?? "");
    const path = await table(join(temporaryFolder(), "text.parquet"), 12, { labels, image: "img" });
    const dataset = await openDataset(path, { input });
    expect(dataset.classes).toEqual(["ant", "moth", "zebra"]);
    for (const [colour, label] of await coloursAndLabels(dataset)) expect(dataset.classes[label]).toBe(names[colour]);
  });

  it("is read by the loader's threads", async () => {
    const path = await table(join(temporaryFolder(), "threads.parquet"), 30);
    const { train: split, normalization, augmentation } = await openDataset(path, { input });
    const loader = new TrainingLoader({ split, normalization, augmentation, batch: 8, seed: 1, workers: 2 });
    for (let step = 0; step < 4; step++) {
      const { images, release } = await loader.next();
      expect(images.data.every(Number.isFinite)).toBe(true);
      release();
    }
    await loader.dispose();
    expect("unreadable" in split ? split.unreadable.images : undefined).toEqual([]);
  });
});

it.each(["snappy", "zstd"])("a file that PyArrow wrote with %s compression is read", async (codec) => {
  const folder = join(import.meta.dirname, "fixtures");
  const path = join(folder, `pyarrow-${codec}.parquet`);
  const { train, classes } = await openDataset(path, { input, images: { testShare: 0 } });
  expect(classes).toEqual(names);
  if (!("files" in train)) throw new Error("expected image files");
  const files = ["plain.jpg", "plain.png", "plain.webp", "grey.jpg", "alpha.png", "cmyk.jpg"];
  const stored = train.files.map(({ path: name, at = 0, bytes }, index) => {
    const row = Number(name.split(" row ")[1]);
    expect(train.store?.subarray(at, at + bytes)).toEqual(new Uint8Array(readFileSync(join(folder, files[row] ?? ""))));
    return [row, train.labels[index]];
  });
  expect(stored.toSorted()).toEqual([2, 0, 1, 2, 0, 1].map((label, row) => [row, label]));
});

describe("a folder of Parquet files", () => {
  it("takes the split from file names, with several files for a split, also in data/", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "data"));
    await table(join(folder, "data", "train-00000-of-00002.parquet"), 9);
    await table(join(folder, "data", "train-00001-of-00002.parquet"), 6);
    await table(join(folder, "data", "test-00000-of-00001.parquet"), 6);
    const { train, test } = await openDataset(folder, { input });
    expect([train.count, test.count]).toEqual([15, 6]);
  });
});

describe("the errors of Parquet files name", () => {
  it("the row of a label that is not a class", async () => {
    const labels = [0, 1, 2, 3, 1, 2];
    const path = await table(join(temporaryFolder(), "wrong.parquet"), 6, { labels, classNames: names });
    expect((await userError(openDataset(path), "bad-file")).details).toMatchObject({
      about: `${path}, row 3`,
      expected: "0 to 2",
      received: "3",
    });
    const negative = await table(join(temporaryFolder(), "negative.parquet"), 3, { labels: [0, -1, 1] });
    expect((await userError(openDataset(negative), "bad-file")).details.received).toBe("-1");
  });

  it("the existing columns if one is missing", async () => {
    const path = await table(join(temporaryFolder(), "columns.parquet"), 3, { image: "photo" });
    const { details } = await userError(openDataset(path), "bad-file");
    expect(details.received).toContain('"photo", "label"');
  });

  it("a file that is truncated, empty or of another format", async () => {
    const folder = temporaryFolder();
    const path = await table(join(folder, "whole.parquet"), 6);
    const whole = readFileSync(path);
    for (const [name, bytes] of [
      ["short", whole.subarray(0, whole.length - 20)],
      ["headless", whole.subarray(20)],
      ["empty", Buffer.alloc(0)],
      ["text", Buffer.from("path,label\n")],
    ] as const) {
      const file = join(folder, `${name}.parquet`);
      writeFileSync(file, bytes);
      const error = await userError(openDataset(file), "bad-file");
      expect(error.details.about, name).toBe(file);
      // In words of our own, not those of a reader that stumbled.
      expect(error.message, name).not.toMatch(/Cannot read|DataView/);
    }
    await userError(openDataset(join(folder, "none.parquet")), "missing-file");
  });

  it("the file and row of an image that cannot be decoded, and reading continues", async () => {
    const folder = temporaryFolder();
    const pictures = await Promise.all([0, 1, 2, 0, 1, 2].map((label) => picture(label)));
    const bytes = parquetWriteBuffer({
      columnData: [
        {
          name: "image",
          data: pictures.map((each, at) => (at === 4 ? new TextEncoder().encode("no image") : new Uint8Array(each))),
          type: "BYTE_ARRAY",
        },
        { name: "label", data: [0, 1, 2, 0, 1, 2], type: "INT32" },
      ],
    });
    const path = join(folder, "spoilt.parquet");
    writeFileSync(path, new Uint8Array(bytes));
    const dataset = await openDataset(path, { input, images: { testShare: 0 } });
    expect(await coloursAndLabels(dataset)).toHaveLength(5);
    const unreadable = "unreadable" in dataset.train ? dataset.train.unreadable.images : [];
    expect(unreadable).toEqual([
      { path: "spoilt.parquet, row 4", reason: "it is not a JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP file" },
    ]);
  });

  it("a file that keeps its reader busy forever, and the next file is read", async () => {
    const images = Array.from({ length: 12 }, (_, at) => new Uint8Array(20 + at).fill(at));
    const sound = new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: "image", data: images, type: "BYTE_ARRAY" },
          { name: "label", data: images.map((_, at) => at % 3), type: "INT32" },
        ],
        rowGroupSize: 5,
      }),
    );
    // A field of a page's header: without the page's size, the reader never reaches the next page.
    expect(sound[290]).toBe(0x15);
    const folder = temporaryFolder();
    const [damaged, whole] = [join(folder, "damaged.parquet"), join(folder, "whole.parquet")];
    writeFileSync(damaged, sound.with(290, 0x80));
    writeFileSync(whole, sound);
    const thread = new ParquetThread({ seconds: 1 });
    const error = await userError(
      thread.read({ path: damaged, hasSeveral: false }, () => undefined),
      "bad-file",
    );
    expect(error.message).toBe(
      `${damaged}: the file is damaged: its reader was stopped after 1 s without a row. ` +
        "Copy or export it again; if the file is valid, use smaller row groups",
    );
    const lengths: number[] = [];
    await thread.read({ path: whole, hasSeveral: false }, (rows) => lengths.push(...rows.lengths));
    expect(lengths).toEqual(images.map(({ length }) => length));
    await thread.close();
  });
});
