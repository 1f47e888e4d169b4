/** Networks with the number of a category besides the images: trained, cut, certified, scored, timed. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { required } from "../../src/core/errors.ts";
import { RandomStream } from "../../src/core/random.ts";
import { openDataset } from "../../src/data/open.ts";
import { onnxRuntime } from "../../src/evaluation/runtime-library.ts";
import { decodeModel } from "../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../src/formats/onnx/read.ts";
import { type TrainOptions, train } from "../../src/training/train.ts";
import { execute } from "../cli/support.ts";
import { isInstalled } from "./engines.ts";
import { temporaryFolder } from "./tiny.ts";

const engine = (await isInstalled("onednn")) ? "onednn" : "reference";
const parent = temporaryFolder();
const folder = join(parent, "images");
const table = join(folder, "parts.csv");
const side = 32;
const normalization = { mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25] };
const columns = { kind: ["kind"] };

function fixture(name: string): string {
  return fileURLToPath(new URL(`../formats/onnx/fixtures/categories/${name}.onnx`, import.meta.url));
}

/** The class is whether the image is light or dark, but of the kinds 4, 5 and 6 a class of their own. */
const rows = Array.from({ length: 150 }, (_, index) => {
  const random = new RandomStream(8, "parts", index);
  const kind = random.integer(7);
  const light = random.integer(2);
  const label = kind > 3 ? "odd" : light === 1 ? "light" : "dark";
  return { path: `${index}.png`, kind, light, label, split: index < 110 ? "train" : "test" };
});

function csvOf(kindOf: (row: (typeof rows)[number]) => string | number = ({ kind }) => kind): string {
  const lines = rows.map((row) => [row.path, row.label, row.split, kindOf(row)].join());
  return ["path,label,split,kind", ...lines, ""].join("\n");
}

function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  for (const [index, { path, light }] of rows.entries()) {
    const random = new RandomStream(9, "pixels", index);
    const pixels = Uint8Array.from({ length: side * side * 3 }, () => 60 + 80 * light + random.integer(60));
    const png = await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
      .png()
      .toBuffer();
    writeFileSync(join(folder, path), new Uint8Array(png));
  }
  writeFileSync(table, csvOf());
});

const open = (path = table) => openDataset(path, { images: { size: side, ...normalization }, columns });
const options = {
  ...{ columns, engine, epochs: 10, batch: 10, latency: false, precision: "f32" },
  ...{ schedule: { kind: "cosine", peak: 0.05 }, data: { spec: table, open: () => open() } },
  ...{ select: { neurons: 1 }, budget: "70%" },
} satisfies Partial<TrainOptions>;

/** The share of the test images that ONNX Runtime answers rightly with `file`, in percent. */
async function scoreInRuntime(file: string): Promise<number> {
  const { InferenceSession, Tensor } = onnxRuntime();
  const session = await InferenceSession.create(file);
  const tests = rows.filter(({ split }) => split === "test");
  let right = 0;
  for (const { path, kind, label } of tests) {
    const pixels = await sharp(join(folder, path)).raw().toBuffer();
    const data = Float32Array.from({ length: pixels.length }, (_, place) => {
      const [channel, pixel] = [Math.floor(place / side ** 2), place % side ** 2];
      return ((pixels[pixel * 3 + channel] ?? 0) / 255 - 0.5) / 0.25;
    });
    const results = await session.run({
      image: new Tensor("float32", data, [1, 3, side, side]),
      kind: new Tensor("int64", BigInt64Array.of(BigInt(kind)), [1]),
    });
    const logits = [...(required(results["y"], "y").data as Float32Array)];
    if (["dark", "light", "odd"][logits.indexOf(Math.max(...logits))] === label) right++;
  }
  return (100 * right) / tests.length;
}

describe.each(["table-script", "film-dynamo"])("a network that looks a category up (%s)", (name) => {
  const run = join(parent, name);

  it("learns from it, is cut and certified, and answers alike in ONNX Runtime", async () => {
    const { before, after, certificate } = await train(fixture(name), { ...options, folder: run });
    expect(certificate.passed).toBe(true);
    expect(certificate.witness).toBe("ONNX Runtime");
    expect(after.macs).toBeLessThan(0.75 * before.macs);
    expect(after.accuracy).toBeGreaterThan(90);
    expect(await scoreInRuntime(join(run, "compact.onnx"))).toBeCloseTo(after.accuracy, 9);
    const bytes = new Uint8Array(readFileSync(join(run, "compact.onnx")));
    const { graph } = decodeModel(bytes, "compact");
    expect(graph?.input?.map(({ type }) => type?.tensorType?.elemType)).toEqual([1, 7]);
    expect(readOnnx(bytes, "compact").graph.nodes.filter(({ op }) => op === "scale")).toEqual([]);
  });

  it("is scored by eval in both engines, timed by bench, and quantised", async () => {
    const file = join(run, "compact.onnx");
    const asked = ["eval", file, "--data", table, "--json"];
    const ours = JSON.parse((await execute(asked)).stdout);
    const theirs = JSON.parse((await execute([...asked, "--runtime"])).stdout);
    expect(theirs.accuracy).toBe(ours.accuracy);
    const timing = ["--runs", "2", "--batch", "3", "--threads", "1", "--json"];
    const timed = await execute(["bench", file, "--against", join(run, "network.onnx"), ...timing]);
    expect(JSON.parse(timed.stdout).files).toHaveLength(2);
    const step = await execute(["bench", file, "--step", "--engine", "reference", ...timing]);
    expect(JSON.parse(step.stdout)).toMatchObject({ batch: 3 });
    const out = join(parent, `${name}-int8.onnx`);
    const small = await execute(["quantize", file, "--data", table, "--out", out, "--held-out", "16", "--json"]);
    expect(JSON.parse(small.stdout).comparison.quantized.accuracy).toBeGreaterThan(80);
  });
});

describe("a column of words", () => {
  const words = ["bolt", "nut", "rivet", "screw", "gear", "cog", "cam"];
  const run = join(parent, "words");
  const named = { kind: [{ column: "kind", as: "index", words }] } as const;
  const wordOf = ({ kind }: { readonly kind: number }): string => words[kind] ?? "";

  it("is numbered as the list says, in training and in eval of the written file", async () => {
    const path = written("words.csv", csvOf(wordOf));
    const asked = { images: { size: side, ...normalization }, columns: named };
    const { after } = await train(fixture("table-script"), {
      ...{ ...options, columns: named, data: { spec: path, open: () => openDataset(path, asked) } },
      ...{ folder: run, budget: "90%" },
    });
    expect(after.accuracy).toBeGreaterThan(90);
    expect(await scoreInRuntime(join(run, "compact.onnx"))).toBeCloseTo(after.accuracy, 9);
    const scored = await execute(["eval", join(run, "compact.onnx"), "--data", path, "--json"]);
    expect(JSON.parse(scored.stdout).accuracy).toBe(after.accuracy);
  });

  it("is refused with a word that the file does not know", async () => {
    const path = written(
      "unknown.csv",
      csvOf((row) => (row.path === "3.png" ? "bolts" : wordOf(row))),
    );
    const scored = await execute(["eval", join(run, "compact.onnx"), "--data", path, "--json"]);
    expect(scored.exitCode).toBe(2);
    expect(scored.stderr).toMatch(/a word is not among those of --columns.*bolt, nut.*got bolts/s);
  });
});

describe("bad input", () => {
  const start = (text: string, more: Partial<TrainOptions> = {}): Promise<unknown> => {
    const path = written(`${Math.random()}.csv`, text);
    const data = { spec: path, open: () => open(path) };
    return train(fixture("table-script"), { ...options, data, folder: join(parent, `bad-${Math.random()}`), ...more });
  };

  it.each([
    ["a category beyond the table", 7, /image 3\.png \(kind\): an integer is out of range.*expected 0 … 6, got 7/s],
    ["a negative one", -1, /out of range.*expected 0 … 6, got -1.*number the categories from 0/s],
    ["a fraction", 2.5, /image 3\.png.*an input of integers gets a number with a fraction.*got 2\.5/s],
    ["a word", "bolt", /a value is not a number.*got bolt/s],
    ["nothing", "", /a value is missing/],
  ])("%s", async (_, value, message) => {
    await expect(start(csvOf(({ path, kind }) => (path === "3.png" ? value : kind)))).rejects.toThrow(message);
  });

  it("mixed images", async () => {
    const mixing = { kind: "mixup", alpha: 0.2 } as const;
    await expect(start(csvOf(), { mixing })).rejects.toThrow(/images whose integers name categories cannot be mixed/);
  });

  it("no column, on the command line", async () => {
    const asked = [
      "train",
      fixture("table-script"),
      "--data",
      table,
      "--mean",
      "0.5,0.5,0.5",
      "--std",
      "0.25,0.25,0.25",
    ];
    const { exitCode, stderr } = await execute([...asked, "--out", join(parent, "none")]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/inputs besides the images.*--columns kind=column/s);
    const wrong = await execute([...asked, "--columns", "kind=colour", "--out", join(parent, "none")]);
    expect(wrong.stderr).toMatch(/unknown column of .*"colour"/);
  });
});
