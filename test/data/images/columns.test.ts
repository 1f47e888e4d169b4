/** Columns of numbers in tables of images, for a network's inputs besides the images: their forms, and mistakes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { type Dataset, firstImages, type InputColumns, imagesAt } from "../../../src/data/dataset.ts";
import { type OpenOptions, openDataset } from "../../../src/data/open.ts";
import { temporaryFolder, userError } from "../support.ts";

const names = ["a.png", "b.png", "c.png", "d.png"];
const folder = temporaryFolder();
const picture = await sharp({ create: { width: 8, height: 8, channels: 3, background: "#336699" } })
  .png()
  .toBuffer();
for (const name of names) writeFileSync(join(folder, name), new Uint8Array(picture));

let written = 0;

function csv(text: string): string {
  const path = join(folder, `${written++}.csv`);
  writeFileSync(path, text);
  return path;
}

function open(path: string, columns: InputColumns, others: OpenOptions = {}): Promise<Dataset> {
  return openDataset(path, { images: { size: 8 }, columns, ...others });
}

/** The values of `input` of each image, by its name. */
function valuesOf({ train, test }: Dataset, input: string): Record<string, readonly number[]> {
  return Object.fromEntries(
    [train, test].flatMap((split) => {
      const { width = 0, values = new Float32Array() } = split.inputs?.[input] ?? {};
      const at = (index: number): readonly number[] => [...values.subarray(index * width, (index + 1) * width)];
      return "files" in split ? split.files.map(({ path }, index) => [path, at(index)]) : [];
    }),
  );
}

const expected = { "a.png": [1, 0.5], "b.png": [0, -2], "c.png": [1, 1000], "d.png": [0, 0.25] };

describe("columns of a CSV file", () => {
  it.each([
    ["a number in each", "path,label,Sex,Age\na.png,x,1,0.5\nb.png,y,0,-2\nc.png,x,1,1e3\nd.png,y,0, .25\n", "Sex+Age"],
    [
      "another order, truths, other letters",
      "AGE,path,sex,label\n.5,a.png,true,x\n-2,b.png,False,y\n1000,c.png,1,x\n.25,d.png,0,y\n",
      "sex+age",
    ],
    [
      "a list as JSON",
      'path,label,both\na.png,x,"[1, 0.5]"\nb.png,y,"[0,-2]"\nc.png,x,"[1,1e3]"\nd.png,y,"[0,.25]"\n',
      "both",
    ],
    [
      "a list as NumPy prints it",
      "path,label,both\na.png,x,[1.   0.5]\nb.png,y,[ 0. -2.]\nc.png,x,[1.e+00 1.e+03]\nd.png,y,[0. 0.25]\n",
      "both",
    ],
    [
      "a list with semicolons",
      "path,label,both\na.png,x,1;0.5\nb.png,y,0;-2\nc.png,x,1;1000\nd.png,y,0;0.25\n",
      "both",
    ],
  ])("with %s", async (_, text, columns) => {
    const data = await open(csv(text), { facts: columns.split("+") });
    expect(valuesOf(data, "facts")).toEqual(expected);
    expect(data.columns).toEqual({ facts: columns.split("+") });
    expect(data.classes).toEqual(["x", "y"]);
  });

  it("feeds several inputs, keeps the split, and follows the images that are taken from it", async () => {
    const text =
      "path,label,split,age,size\na.png,x,train,1,2\nb.png,y,train,3,4\nc.png,x,train,5,6\nd.png,y,test,7,8\n";
    const data = await open(csv(text), { one: ["age"], two: ["size", "age"] });
    const all = { "a.png": [2, 1], "b.png": [4, 3], "c.png": [6, 5], "d.png": [8, 7] };
    expect(valuesOf(data, "two")).toEqual(all);
    expect(data.test.inputs?.["one"]?.values).toEqual(Float32Array.of(7));
    const { train } = data;
    for (const part of [imagesAt(train, [2, 0, 2]), firstImages(train, 2)]) {
      const found = valuesOf({ ...data, train: part, test: part } as Dataset, "two");
      for (const [name, values] of Object.entries(found)) expect(values).toEqual(all[name as keyof typeof all]);
    }
  });

  it("needs no labels where none are learnt, and allows several", async () => {
    const plain = await open(
      csv("path,age\na.png,1\nb.png,2\nc.png,3\nd.png,4\n"),
      { x: ["age"] },
      { unlabelled: true },
    );
    expect([plain.isUnlabelled, valuesOf(plain, "x")["c.png"]]).toEqual([true, [3]]);
    const marks = csv("path,cat,dog,age\na.png,1,1,7\nb.png,0,1,8\nc.png,0,0,9\n");
    const several = await open(marks, { x: ["age"] }, { severalLabels: true });
    expect([several.classes, valuesOf(several, "x")["b.png"]]).toEqual([["cat", "dog"], [8]]);
    const lines = csv("path,label,age\na.png,cat,7\na.png,dog,7\nb.png,dog,8\n");
    expect(valuesOf(await open(lines, { x: ["age"] }, { severalLabels: true }), "x")["a.png"]).toEqual([7]);
    const contrary = csv("path,label,age\na.png,cat,7\na.png,dog,8\nb.png,dog,8\n");
    const error = await userError(open(contrary, { x: ["age"] }, { severalLabels: true }), "bad-file");
    expect(error.message).toMatch(/line 3: the image a\.png has other numbers on an earlier line/);
  });
});

describe("columns of a Parquet file", () => {
  const table = (more: readonly { name: string; data: unknown[]; type?: "STRING" | "DOUBLE" | "INT64" }[]): string => {
    const path = join(folder, `${written++}.parquet`);
    const pictures = names.map(() => new Uint8Array(picture));
    const bytes = parquetWriteBuffer({
      columnData: [
        { name: "image", data: pictures, type: "BYTE_ARRAY" },
        ...more.map(({ name, data, type }) => ({ name, data, ...(type === undefined ? {} : { type }) })),
      ],
      rowGroupSize: 3,
    });
    writeFileSync(path, new Uint8Array(bytes));
    return path;
  };
  const labels = { name: "label", data: ["x", "y", "x", "y"], type: "STRING" as const };

  it("have numbers of any type, text or lists", async () => {
    const path = table([
      labels,
      { name: "age", data: [0.5, -2, 1000, 0.25], type: "DOUBLE" },
      { name: "sex", data: [1n, 0n, 1n, 0n], type: "INT64" },
      { name: "text", data: ["1 2", "3 4", "5 6", "7 8"], type: "STRING" },
    ]);
    const data = await open(path, { facts: ["sex", "age"], text: ["text"] });
    const own = Object.fromEntries(
      Object.entries(valuesOf(data, "facts")).map(([name, values]) => [name.slice(-1), values]),
    );
    expect(own).toEqual({ 0: [1, 0.5], 1: [0, -2], 2: [1, 1000], 3: [0, 0.25] });
    expect(Object.values(valuesOf(data, "text")).toSorted()).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
      [7, 8],
    ]);
  });

  it("may have words", async () => {
    const path = table([labels, { name: "colour", data: ["red", "green", "red", "green"], type: "STRING" }]);
    const data = await open(path, { x: [{ column: "colour", as: "index", words: ["green", "red"] }] });
    expect(Object.values(valuesOf(data, "x")).flat().toSorted()).toEqual([0, 0, 1, 1]);
  });

  it("need no labels where none are learnt", async () => {
    const path = table([{ name: "age", data: [1, 2, 3, 4], type: "DOUBLE" }]);
    const data = await open(path, { x: ["age"] }, { unlabelled: true });
    expect([data.isUnlabelled, data.classes]).toEqual([true, ["images"]]);
    await userError(open(path, { x: ["age"] }), "bad-file");
  });

  it("are refused where they are no numbers", async () => {
    const path = table([labels, { name: "age", data: ["1", "old", "3", "4"], type: "STRING" }]);
    const error = await userError(open(path, { x: ["age"] }), "bad-file");
    expect(error.message).toMatch(/column "age" of .*row 1: a value is not a number.*got old/s);
  });
});

describe("columns of words", () => {
  const text = "path,label,Colour,age\na.png,x,red,1\nb.png,y,green,2\nc.png,x,blue,3\nd.png,y,red,4\n";
  const words = ["red", "green", "blue"];

  it("become places in a list, or 0 and 1", async () => {
    const columns = {
      kind: [{ column: "colour", as: "index", words }],
      facts: ["age", { column: "colour", as: "one-hot", words: ["green", "*"] }],
    } as const;
    const data = await open(csv(text), columns);
    expect(valuesOf(data, "kind")).toEqual({ "a.png": [0], "b.png": [1], "c.png": [2], "d.png": [0] });
    const facts = { "a.png": [1, 0, 1], "b.png": [2, 1, 0], "c.png": [3, 0, 1], "d.png": [4, 0, 1] };
    expect(valuesOf(data, "facts")).toEqual(facts);
    expect(data.columns).toEqual(columns);
  });

  it("are no classes beside several labels", async () => {
    const marks = csv("path,cat,dog,colour\na.png,1,1,red\nb.png,0,1,green\nc.png,0,0,blue\n");
    const columns = { x: [{ column: "colour", as: "index", words }] } as const;
    const data = await open(marks, columns, { severalLabels: true });
    expect([data.classes, valuesOf(data, "x")["c.png"]]).toEqual([["cat", "dog"], [2]]);
  });

  it.each([
    ["a word that is not listed", text.replace("green", "pink"), /line 3: a word is not among.*green.*got pink.*\*/s],
    ["a word in other letters", text.replace("green", "Green"), /got Green/],
    ["no word", text.replace("green", ""), /column "Colour" of .*line 3: a word is missing/],
  ])("are refused with %s", async (_, changed, message) => {
    const columns = { x: [{ column: "colour", as: "index", words }] } as const;
    expect((await userError(open(csv(changed), columns), "bad-file")).message).toMatch(message);
  });
});

describe("mistakes", () => {
  const good = "path,label,age,both\na.png,x,1,1;2\nb.png,y,2,3;4\nc.png,x,3,5;6\nd.png,y,4,7;8\n";
  it.each([
    ["a column that is not there", good, ["agee"], "unknown-name", /unknown column of .*"agee".*Did you mean "age"/s],
    ["an empty cell", good.replace("x,1,", "x,,"), ["age"], "bad-file", /column "age" of .*line 2: a value is missing/],
    ["text", good.replace("x,1,", "x,old,"), ["age"], "bad-file", /line 2: a value is not a number.*0 and 1 for each/s],
    ["NaN", good.replace("x,1,", "x,NaN,"), ["age"], "bad-file", /line 2: a value is not a number/],
    [
      "a number that 32 bits do not hold",
      good.replace("x,1,", "x,1e99,"),
      ["age"],
      "bad-file",
      /not a number.*got 1e99/s,
    ],
    ["an empty list", good.replace("1;2", "[]"), ["both"], "bad-file", /line 2: a value is missing/],
    [
      "lists of other lengths",
      good.replace("1;2", "1"),
      ["both"],
      "bad-file",
      /another number of values than the others/,
    ],
  ] as const)("%s", async (_, text, columns, code, message) => {
    expect((await userError(open(csv(text), { x: [...columns] }), code)).message).toMatch(message);
  });

  it("data without columns", async () => {
    const pictures = temporaryFolder();
    writeFileSync(join(pictures, "a.png"), new Uint8Array(picture));
    const error = await userError(open(pictures, { x: ["age"] }, { unlabelled: true }), "bad-option");
    expect(error.message).toMatch(/a folder of images has no columns/);
  });
});
