/** Inputs besides the images, with a fixed value: read, written and trained as ONNX Runtime computes them. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, test } from "vitest";
import { required } from "../../../src/core/errors.ts";
import { elementCount, type Tensor } from "../../../src/core/tensor.ts";
import { createReferenceEngine } from "../../../src/engine/reference/index.ts";
import { onnxRuntime } from "../../../src/evaluation/runtime-library.ts";
import { readNpy } from "../../../src/formats/npy.ts";
import type { FixedInputs } from "../../../src/formats/onnx/fixed-inputs.ts";
import { loadOnnx } from "../../../src/formats/onnx/index.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import { readFixedInputs } from "../../../src/training/settings/fixed-input.ts";
import { train } from "../../../src/training/train.ts";
import { execute } from "../../cli/support.ts";
import { spread } from "../../engine/random-data.ts";
import { temporaryFolder, tinyDataset } from "../../training/tiny.ts";

const folder = temporaryFolder();

function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/inputs/${name}`, import.meta.url));
}

const images = spread([2, 3, 16, 16], 1, "images");

interface Fed {
  readonly type: "float32" | "bool";
  readonly dims: readonly number[];
  readonly data: Float32Array | Uint8Array;
}

/** What ONNX Runtime makes of the images and `others`. */
async function inRuntime(file: Uint8Array, others: Readonly<Record<string, Fed>>): Promise<readonly number[]> {
  const { InferenceSession, Tensor: RuntimeTensor } = onnxRuntime();
  const session = await InferenceSession.create(file);
  const feeds = Object.fromEntries(
    Object.entries(others).map(([name, { type, dims, data }]) => [name, new RuntimeTensor(type, data, dims)]),
  );
  const results = await session.run({ ...feeds, images: new RuntimeTensor("float32", images.data, images.shape) });
  const { data } = required(results[required(session.outputNames[0], "an output")], "the output");
  return Array.from(data as Float32Array);
}

const offsets = readNpy(readFileSync(fixture("offset.npy")), "offset.npy");
const mask = spread([1, 1, 16, 16], 3, "mask");
const twice = ({ data, shape }: Tensor): Fed => ({
  ...{ type: "float32", dims: [2, ...shape.slice(1)] },
  data: Float32Array.from([...data, ...data]),
});
const ones: Fed = { type: "float32", dims: [2, 1], data: Float32Array.of(2.5, 2.5) };

describe.each([
  ["scale", { scale: 0.5 }, { scale: { type: "float32", dims: [1], data: Float32Array.of(0.5) } }],
  [
    "offset",
    { offset: offsets.values },
    { offset: { type: "float32", dims: offsets.shape, data: Float32Array.from(offsets.values) } },
  ],
  ["mask", { mask: [...mask.data] }, { mask: twice(mask) }],
  ["flag", { training: 0 }, { training: { type: "bool", dims: [1], data: Uint8Array.of(0) } }],
  ["unused", { keep_prob: 0.8 }, { keep_prob: { type: "float32", dims: [], data: Float32Array.of(0.8) } }],
  ["behind", { im_scale: 2.5 }, { im_scale: ones }],
] as const)("the input of %s", (name, inputs: FixedInputs, fed: Readonly<Record<string, Fed>>) => {
  const file = fixture(`${name}.onnx`);

  it("is a constant of the network, which answers as ONNX Runtime with this value", async () => {
    const { graph, weights } = await loadOnnx(file, { inputs });
    expect(graph.inputs.map((input) => input.name)).toEqual(["images"]);
    const plan = createReferenceEngine().prepare(graph, { batch: 2 });
    plan.write(weights);
    const answers = required(plan.run({ images })[required(graph.outputs[0], "an output")], "answers");
    const expected = await inRuntime(readFileSync(file), fed);
    expect(elementCount(answers.shape)).toBe(expected.length);
    for (const [index, value] of answers.data.entries()) expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 4);
  });

  it("is inside a written file, which takes the images alone", async () => {
    const written = writeOnnx(await loadOnnx(file, { inputs }));
    const [expected, found] = [await inRuntime(readFileSync(file), fed), await inRuntime(written, {})];
    expect(found).toHaveLength(expected.length);
    for (const [index, value] of found.entries()) expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 4);
  });
});

test("a file with a fixed input is trained, cut and certified", async () => {
  const classes = ["dark", "bright"];
  const data = tinyDataset(48, 16, [3, 16, 16]);
  const split = (part: typeof data.train) => ({ ...part, labels: part.labels.map((label) => Math.min(1, label)) });
  const two = { ...data, classes, train: split(data.train), test: split(data.test) };
  const run = await train(fixture("offset.onnx"), {
    ...{ data: two, inputs: { offset: offsets.values }, select: { neurons: 0.3 }, epochs: 4, batch: 4, latency: false },
    ...{ engine: "reference", folder: join(folder, "run") },
  });
  expect(run.certificate.passed).toBe(true);
  expect(run.after.macs).toBeLessThan(run.before.macs);
  const without = train(fixture("offset.onnx"), {
    ...{ data: two, epochs: 1, engine: "reference", folder: join(folder, "no") },
  });
  await expect(without).rejects.toThrow(/--input offset=1/);
});

describe("what cannot be fixed is refused", () => {
  it.each([
    ["scale", { scal: 1 }, /unknown input "scal".*Did you mean "scale"/s],
    ["offset", { offset: [1, 2] }, /expected 1 or 8, for the shape \[1,8,1,1\], got 2/],
    ["scale", { images: 1, scale: 1 }, /no input is left for the images/],
    ["flag", { training: 0.5 }, /cannot have the value 0.5/],
    ["scale", { scale: Number.NaN }, /cannot have the value NaN/],
    ["scale", { scale: 1e39 }, /cannot have the value 1e\+39/],
    ["tabular", { facts: 0.5 }, /Concat "ff".*input "facts" must be computed from the images/s],
  ] as const)("%s with %j", async (name, inputs, message) => {
    await expect(loadOnnx(fixture(`${name}.onnx`), { inputs })).rejects.toThrow(message);
  });

  it("inputs of a model without a file", async () => {
    const refused = train("resnet-20", { data: tinyDataset(), inputs: { a: 1 }, epochs: 1, engine: "reference" });
    await expect(refused).rejects.toMatchObject({ code: "bad-option" });
  });
});

describe("--input", () => {
  it("takes numbers and NumPy files", () => {
    const text = `a=0.5,offset=${fixture("offset.npy")}`;
    const values = Array.from({ length: 8 }, (_, index) => Math.fround(-1 + (2 * index) / 7));
    const read = readFixedInputs(text);
    expect(read["a"]).toBe(0.5);
    for (const [index, value] of values.entries())
      expect(Object.values(read)[1]).toHaveProperty(`${index}`, expect.closeTo(value, 6));
  });

  it("refuses other files, with what to do", () => {
    const broken = join(folder, "broken.npy");
    writeFileSync(broken, readFileSync(fixture("offset.npy")).subarray(0, 140));
    expect(() => readFixedInputs(`a=${broken}`)).toThrow(/cut short or damaged.*numpy.save/s);
    writeFileSync(broken, "no array at all");
    expect(() => readFixedInputs(`a=${broken}`)).toThrow(/not a NumPy file/);
    expect(() => readFixedInputs(`a=${fixture("turned.npy")}`)).toThrow(/row-major/);
    expect(() => readFixedInputs("a=./nowhere.npy")).toThrow(/cannot be read/);
    expect(() => readFixedInputs("a=b")).toThrow(/--input: not a number.*got "b"/);
    const infinite = readFileSync(fixture("offset.npy"));
    infinite.writeFloatLE(Number.NEGATIVE_INFINITY, infinite.length - 4);
    writeFileSync(broken, infinite);
    expect(() => readFixedInputs(`a=${broken}`)).toThrow(/broken.npy: has the value -Infinity/);
  });

  it("is an option of inspect, and eval refuses it with --runtime", async () => {
    const shown = await execute(["inspect", fixture("scale.onnx"), "--input", "scale=0.5"]);
    expect(shown.stdout).toMatch(/images N×3×16×16/);
    const asked = ["eval", fixture("scale.onnx"), "--input", "scale=0.5", "--runtime", "--data", folder];
    expect((await execute(asked)).stderr).toMatch(/ONNX Runtime runs the file as it is/);
  });
});
