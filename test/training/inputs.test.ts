/** Networks with an input besides the images, which columns of a table feed: trained, scored, taught, certified. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { beforeAll, describe, expect, it, test } from "vitest";
import { required } from "../../src/core/errors.ts";
import { RandomStream } from "../../src/core/random.ts";
import { type Dataset, type StoredSplit, sampleSize } from "../../src/data/dataset.ts";
import { evaluationBatches } from "../../src/data/evaluation-batches.ts";
import { openDataset } from "../../src/data/open.ts";
import { onnxRuntime } from "../../src/evaluation/runtime-library.ts";
import { control } from "../../src/experiments/control.ts";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { resume } from "../../src/training/resume.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { readInputColumns } from "../../src/training/settings/columns.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { execute } from "../cli/support.ts";
import { isInstalled } from "./engines.ts";
import { temporaryFolder, tinyDataset } from "./tiny.ts";

const engine = (await isInstalled("onednn")) ? "onednn" : "reference";
const parent = temporaryFolder();
const side = 16;

function fixture(name: string): string {
  return fileURLToPath(new URL(`../formats/onnx/fixtures/inputs/${name}.onnx`, import.meta.url));
}

interface Row {
  readonly path: string;
  readonly facts: readonly [number, number, number];
  readonly label: "ill" | "well";
  readonly split: "train" | "test";
}

/** Noise that says nothing: the class is in the facts alone, and is whether the first is larger than the second. */
function rowsOf(count: number): readonly Row[] {
  return Array.from({ length: count }, (_, index) => {
    const random = new RandomStream(5, "facts", index);
    const facts = [random.normal(), random.normal(), random.normal()].map((value) => Number(value.toFixed(3)));
    const [first = 0, second = 0, third = 0] = facts;
    const label = first > second ? "ill" : "well";
    return { path: `${index}.png`, facts: [first, second, third], label, split: index < 96 ? "train" : "test" };
  });
}

const rows = rowsOf(136);
const folder = join(parent, "images");
const table = join(folder, "patients.csv");
const unlabelled = join(folder, "unlabelled.csv");
const columns = { facts: ["Age", "dose", "blood"] };
const normalization = { mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25] };

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  for (const [index, { path }] of rows.entries()) {
    const random = new RandomStream(6, "noise", index);
    const pixels = Uint8Array.from({ length: side * side * 3 }, () => random.integer(256));
    const png = await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
      .png()
      .toBuffer();
    writeFileSync(join(folder, path), new Uint8Array(png));
  }
  const lines = rows.map(({ path, facts, label, split }) => [facts[0], path, label, facts[1], split, facts[2]].join());
  writeFileSync(table, ["Age,path,label,dose,split,blood", ...lines, ""].join("\n"));
  const plain = rows.map(({ path, facts }) => [path, ...facts].join());
  writeFileSync(unlabelled, ["path,Age,dose,blood", ...plain, ""].join("\n"));
});

const open = (path = table): Promise<Dataset> =>
  openDataset(path, { images: { size: side, ...normalization }, columns });

const options = {
  ...{ columns, engine, epochs: 8, batch: 8, latency: false, precision: "f32" },
  ...{ select: { neurons: 0.02 }, schedule: { kind: "cosine", peak: 0.1 } },
} satisfies Partial<TrainOptions>;

const reference = { spec: table, open: () => open() };

/** The answers of ONNX Runtime on the test images, with facts that are read from the table here. */
async function answersInRuntime(file: string): Promise<readonly string[]> {
  const { InferenceSession, Tensor } = onnxRuntime();
  const session = await InferenceSession.create(file);
  const { test: split } = await open();
  const factsOf = new Map(rows.map(({ path, facts }) => [path, facts]));
  const answers: string[] = [];
  for await (const { images, places } of evaluationBatches(split, normalization, 1)) {
    const path = "files" in split ? (split.files[places[0] ?? 0]?.path ?? "") : "";
    const results = await session.run({
      images: new Tensor("float32", new Float32Array(images.data), [1, 3, side, side]),
      facts: new Tensor("float32", Float32Array.from(required(factsOf.get(path), path)), [1, 3]),
    });
    const [ill = 0, well = 0] = required(results["y"], "y").data as Float32Array;
    answers.push(`${path} ${ill > well ? "ill" : "well"}`);
  }
  return answers;
}

describe("a network that joins facts with the features of images", () => {
  const run = join(parent, "run");

  it("learns from the columns, is cut and certified, and answers alike in ONNX Runtime", async () => {
    const { after, before, certificate } = await train(fixture("patient"), {
      ...options,
      data: reference,
      folder: run,
    });
    expect(certificate.passed).toBe(true);
    expect(certificate.witness).toBe("ONNX Runtime");
    expect(after.macs).toBeLessThan(before.macs);
    expect(after.accuracy).toBeGreaterThan(90);
    const labelOf = new Map(rows.map(({ path, label }) => [path, label]));
    const answers = await answersInRuntime(join(run, "compact.onnx"));
    const right = answers.filter(
      (answer) => answer === `${answer.split(" ")[0]} ${labelOf.get(answer.split(" ")[0] ?? "")}`,
    );
    expect((100 * right.length) / answers.length).toBeCloseTo(after.accuracy, 9);
    const { header } = (await loadOnnx(join(run, "compact.onnx"))).graph;
    expect(new Map(header?.metadata).get("columns")).toBe(JSON.stringify(columns));
  });

  it("is scored by eval, which finds the columns in the file, in both engines", async () => {
    const asked = ["eval", join(run, "compact.onnx"), "--data", table, "--json"];
    const ours = JSON.parse((await execute(asked)).stdout);
    const theirs = JSON.parse((await execute([...asked, "--runtime"])).stdout);
    expect(ours.accuracy).toBeGreaterThan(90);
    expect(theirs.accuracy).toBe(ours.accuracy);
    expect(theirs.confusion).toEqual(ours.confusion);
    const wrong = await execute([...asked, "--columns", "facts=Age+dose"]);
    expect(wrong.stderr).toMatch(/input "facts" of .*expected 3 for each image, got 2 from Age \+ dose/s);
  });

  it("goes on after a stop with the same bytes, and not after a number was changed", async () => {
    const stopping = new AbortController();
    const place = join(parent, "stopped");
    const stopped = train(fixture("patient"), {
      ...{ ...options, data: reference, folder: place, signal: stopping.signal },
      onEvent: (event) => {
        if (event.type === "epoch" && event.epoch === 4) stopping.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: "interrupted" });
    const text = readFileSync(table, "utf8");
    writeFileSync(table, text.replace(`${rows[0]?.facts[0]},0.png`, "123,0.png"));
    await expect(resume(place)).rejects.toMatchObject({ code: "checksum" });
    writeFileSync(table, text);
    expect((await readRunRecord(place)).settings.columns).toEqual(columns);
    const resumed = await resume(place);
    const whole = await loadOnnx(join(run, "network.onnx"));
    for (const [name, { data }] of whole.weights) {
      expect([...(resumed.network.weights.get(name)?.data ?? [])], name).toEqual([...data]);
    }
  });

  it("is trained again from its file, whose columns hold, on the command line", async () => {
    const again = join(parent, "again");
    const flags = ["--data", table, "--epochs", "1", "--batch", "8", "--no-latency", "--engine", engine];
    const done = await execute(["train", join(run, "compact.onnx"), ...flags, "--out", again, "--gamma", "0.001"]);
    expect(done.stderr).toBe("");
    expect((await readRunRecord(again)).settings.columns).toEqual(columns);
  });

  it("can be quantised, with the columns of the file", async () => {
    const out = join(parent, "small.onnx");
    const asked = ["quantize", join(run, "compact.onnx"), "--data", table, "--out", out, "--held-out", "16", "--json"];
    const { stdout } = await execute(asked);
    expect(JSON.parse(stdout).comparison.quantized.accuracy).toBeGreaterThan(80);
  });

  it.each(["epochs", "uniform"] as const)(
    "has a from-scratch baseline (%s), which learns from the columns too",
    async (kind) => {
      const place = join(parent, `baseline-${kind}`);
      const { after, certificate } = await control(run, { kind, folder: place });
      expect(certificate.passed).toBe(true);
      expect(after.accuracy).toBeGreaterThan(85);
      expect((await readRunRecord(place)).settings.columns).toEqual(columns);
    },
  );

  it("teaches a smaller network, which simulates integers at the end", async () => {
    const { after, before, int8, certificate } = await train(join(run, "compact.onnx"), {
      ...{ ...options, data: reference, folder: join(parent, "distilled"), epochs: 6, int8: true },
      ...{ distill: { weight: 0.5, temperature: 4 }, select: { neurons: 1 }, budget: "70%" },
    });
    expect(certificate.passed).toBe(true);
    expect(after.macs).toBeLessThan(before.macs);
    expect(after.accuracy).toBeGreaterThan(85);
    expect(int8?.accuracy).toBeGreaterThan(80);
  });

  it("mixes the columns of two images as the images", async () => {
    const { after } = await train(fixture("patient"), {
      ...{ ...options, data: reference, folder: join(parent, "mixed"), mixing: { kind: "mixup", alpha: 0.2 } },
    });
    expect(after.accuracy).toBeGreaterThan(85);
  });

  it("takes columns that are not classes beside several labels", async () => {
    const marks = join(folder, "marks.csv");
    const lines = rows.map(({ path, facts, label, split }) =>
      [path, split, ...facts, Number(label === "ill"), Number(facts[2] > 0)].join(),
    );
    writeFileSync(marks, ["path,split,Age,dose,blood,ill,bloody", ...lines, ""].join("\n"));
    const spec = { images: { size: side, ...normalization }, columns, severalLabels: true };
    const { after, certificate } = await train(fixture("patient"), {
      ...{ ...options, data: { spec: marks, open: () => openDataset(marks, spec) } },
      ...{ folder: join(parent, "several"), task: "multi-label" },
    });
    expect(certificate.passed).toBe(true);
    expect(after.accuracy).toBeGreaterThan(70);
  });
});

test("inputs of other axes take columns in row-major order, and one column without any", async () => {
  const b = new GraphBuilder("grid");
  const features = b.convolution("conv", b.input("images", ["N", 3, side, side]), { channels: 4, kernel: 3 });
  const grid = b.flatten("flat", b.input("grid", ["N", 2, 1]));
  const blood = b.reshape("row", b.input("blood", ["N"]), [1]);
  const joined = b.concatenation("join", [b.flatten("f", b.globalAveragePooling("pool", features)), grid, blood]);
  b.output(b.linear("classifier", b.relu("relu", b.linear("hidden", joined, 12)), 2));
  const asked = { grid: ["Age", "dose"], blood: ["blood"] };
  const data = {
    spec: table,
    open: () => openDataset(table, { images: { size: side, ...normalization }, columns: asked }),
  };
  const { after, certificate } = await train(b.build(), {
    ...{ ...options, columns: asked, data, folder: join(parent, "grid"), select: { neurons: 1 }, budget: "80%" },
  });
  expect(certificate.passed).toBe(true);
  expect(certificate.witness).toBe("ONNX Runtime");
  expect(after.accuracy).toBeGreaterThan(80);
  const { test: split } = await data.open();
  const { InferenceSession, Tensor } = onnxRuntime();
  const session = await InferenceSession.create(join(parent, "grid", "compact.onnx"));
  const factsOf = new Map(rows.map((row) => [row.path, row]));
  let right = 0;
  for await (const { images, places } of evaluationBatches(split, normalization, 1)) {
    const row = factsOf.get("files" in split ? (split.files[places[0] ?? 0]?.path ?? "") : "");
    const [age = 0, dose = 0, third = 0] = row?.facts ?? [];
    const results = await session.run({
      images: new Tensor("float32", new Float32Array(images.data), [1, 3, side, side]),
      grid: new Tensor("float32", Float32Array.of(age, dose), [1, 2, 1]),
      blood: new Tensor("float32", Float32Array.of(third), [1]),
    });
    const [ill = 0, well = 0] = required(Object.values(results)[0], "logits").data as Float32Array;
    if ((ill > well ? "ill" : "well") === row?.label) right++;
  }
  expect((100 * right) / split.count).toBeCloseTo(after.accuracy, 9);
});

test("it is taught its own outputs, on a table without labels", async () => {
  const data = {
    spec: unlabelled,
    open: () => openDataset(unlabelled, { images: { size: side, ...normalization }, columns, unlabelled: true }),
  };
  const { after, before, certificate } = await train(fixture("patient"), {
    ...{ ...options, data, folder: join(parent, "taught"), teach: "outputs", epochs: 8, select: { neurons: 0.0005 } },
    ...{ schedule: { kind: "cosine", peak: 0.005 } },
  });
  expect(certificate.passed).toBe(true);
  expect(after.macs).toBeLessThan(before.macs);
  expect(after.accuracy).toBeGreaterThan(60);
});

/** A dataset of a program, with a value for each image. */
function ownDataset(width = 3): Dataset<StoredSplit> {
  const data = tinyDataset(48, 16, [3, side, side]);
  const withFacts = (split: StoredSplit): StoredSplit => {
    const values = new Float32Array(new SharedArrayBuffer(4 * split.count * width));
    const labels = split.labels.map((label) => Math.min(1, label));
    for (let at = 0; at < values.length; at++) values[at] = labels[Math.floor(at / width)] ?? 0;
    return { ...split, labels, inputs: { facts: { width, values } } };
  };
  return { ...data, classes: ["dark", "bright"], train: withFacts(data.train), test: withFacts(data.test) };
}

describe("a dataset of a program", () => {
  const plain = { epochs: 1, batch: 8, engine: "reference", latency: false } as const;
  const start = (data: Dataset, more: Partial<TrainOptions> = {}, file = "tabular"): Promise<unknown> =>
    train(fixture(file), {
      ...plain,
      folder: join(parent, `own-${Math.random()}`),
      data: Promise.resolve(data),
      ...more,
    });

  it("gives values too", async () => {
    expect(sampleSize(ownDataset().sampleShape)).toBe(768);
    await expect(start(ownDataset())).resolves.toMatchObject({ certificate: { passed: true } });
  });

  it.each([
    [
      "another width",
      ownDataset(2),
      "tabular",
      /input "facts".*expected 3 for each image, got 2.*Correct the program/s,
    ],
    [
      "no values",
      tinyDataset(48, 16, [3, side, side]),
      "tabular",
      /inputs besides the images.*--columns facts=column.*--input facts=1/s,
    ],
  ] as const)("is refused with %s", async (_, data, file, message) => {
    const classes = ["dark", "bright"];
    const two = { ...data, classes, train: { ...data.train, labels: data.train.labels.map((label) => label % 2) } };
    const test = { ...data.test, labels: data.test.labels.map((label) => label % 2) };
    await expect(start({ ...two, test }, {}, file)).rejects.toThrow(message);
  });

  it("is refused with values that are missing, no numbers, or for other inputs in the test images", async () => {
    const data = ownDataset();
    const { inputs: _, ...bare } = data.test;
    await expect(start({ ...data, test: bare })).rejects.toThrow(/"test" has values for other inputs/);
    const values = new Float32Array(3 * 48).fill(Number.NaN);
    const strange = { ...data.train, inputs: { facts: { width: 3, values } } };
    await expect(start({ ...data, train: strange })).rejects.toThrow(/input "facts" of image 0 of "train"/);
    const short = { ...data.train, inputs: { facts: { width: 3, values: values.subarray(1) } } };
    await expect(start({ ...data, train: short })).rejects.toThrow(/144 floats, got 143/);
    const more = {
      facts: { width: 3, values: new Float32Array(144) },
      extra: { width: 1, values: new Float32Array(48) },
    };
    const test16 = {
      facts: { width: 3, values: new Float32Array(48) },
      extra: { width: 1, values: new Float32Array(16) },
    };
    const both = { ...data, train: { ...data.train, inputs: more }, test: { ...data.test, inputs: test16 } };
    await expect(start(both)).rejects.toThrow(/unknown input of tabular: "extra".*Known: facts/s);
    const columnsOfNone = start(data, { columns: { facts: ["age"] } });
    await expect(columnsOfNone).rejects.toThrow(/opened without the columns of the settings/);
  });
});

test("--columns takes names of columns, and says what is wrong", () => {
  expect(readInputColumns("facts=age+sex, other = a b")).toEqual({ facts: ["age", "sex"], other: ["a b"] });
  const colours = { column: "colour", as: "index", words: ["red", "green"] };
  expect(readInputColumns("kind=colour:index:red:green")).toEqual({ kind: [colours] });
  const list = join(parent, "colours.txt");
  writeFileSync(list, "red\r\ngreen\n\n");
  expect(readInputColumns(`kind=age+colour:one-hot:@${list}`)).toEqual({
    kind: ["age", { ...colours, as: "one-hot" }],
  });
  expect(readInputColumns("x=a:b")).toEqual({ x: ["a:b"] });
  expect(() => readInputColumns("x=colour:index")).toThrow(/a word is empty.*x=column:index:word:word/);
  expect(() => readInputColumns("x=colour:index:red:red")).toThrow(/a word is there twice/);
  expect(() => readInputColumns("x=:index:red")).toThrow(/the name of the column is empty/);
  expect(() => readInputColumns("x=colour:index:@none.txt")).toThrow(/none\.txt: the file of words cannot be read/);
  expect(() => readInputColumns("age")).toThrow(/lacks the name of an input/);
  expect(() => readInputColumns("x=a++b")).toThrow(/the name of a column for "x" is empty/);
});
