/** `espalier quantize` on a file and real images, and what the other commands make of its file. */
import { existsSync, readdirSync } from "node:fs";
import { copyFile, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeModel, encodeModel } from "../../src/formats/onnx/proto.ts";
import { execute, type Finished, tinyWorkplace } from "./support.ts";

let workplace: string;
let file: string;
let data: string;
let out: string;
let first: Finished;

function quantize(...more: readonly string[]): Promise<Finished> {
  return execute(["quantize", file, "--engine", "reference", ...more]);
}

beforeAll(async () => {
  workplace = await tinyWorkplace();
  file = join(workplace, "tiny.onnx");
  out = join(workplace, "tiny.int8.onnx");
  data = join(workplace, readdirSync(workplace).find((name) => name.startsWith("data-")) ?? "");
  first = await quantize("--data", data);
});
afterAll(() => rm(workplace, { recursive: true, force: true }));

describe("quantize", () => {
  test("writes the file, and figures beside it", async () => {
    expect(first).toMatchObject({ exitCode: 0 });
    expect(first.stdout).toContain("nearest: taken");
    expect(first.stdout).toContain("computes all other nodes on integers");
    const report = JSON.parse(await readFile(join(workplace, "tiny.int8.json"), "utf8"));
    expect(report).toMatchObject({ file, out, images: { calibration: 48, heldOut: 48 }, kept: [] });
    expect(report.candidates).toHaveLength(3);
    const divergences = report.candidates.map(({ divergence }: { divergence: number }) => divergence);
    const taken = report.candidates.find(({ method }: { method: string }) => method === report.method);
    expect(taken.divergence).toBe(Math.min(...divergences));
    const { comparison } = report;
    expect(comparison).toMatchObject({ images: 40, floats: [] });
    expect(comparison.quantized.bytes).toBe((await stat(out)).size);
    expect(comparison.latencies[0].original.threads).toBe(1);
  });

  test("the file is scored as the command says", async () => {
    const report = JSON.parse(await readFile(join(workplace, "tiny.int8.json"), "utf8"));
    for (const [path, accuracy] of [
      [file, report.comparison.original.accuracy],
      [out, report.comparison.quantized.accuracy],
    ]) {
      const { exitCode, stdout } = await execute(["eval", path, "--data", data, "--json"]);
      expect(exitCode).toBe(0);
      expect(JSON.parse(stdout).accuracy).toBeCloseTo(accuracy, 6);
    }
    const inEngine = await execute(["eval", out, "--data", data, "--engine", "reference"]);
    expect(inEngine).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("ONNX Runtime only") });
  });

  test("inspect says what it is", async () => {
    const { stdout } = await execute(["inspect", out]);
    expect(stdout).toMatch(/precision\s+8 bits: 7 of 7 nodes on integers/);
    const { quantized, macs } = JSON.parse((await execute(["inspect", out, "--json"])).stdout);
    expect(quantized.layers).toHaveLength(7);
    expect(macs).toBe(JSON.parse((await execute(["inspect", file, "--json"])).stdout).macs);
  });

  test("bench counts its parameters and times it beside the original", async () => {
    const asked = ["bench", file, "--against", out, "--runs", "2", "--threads", "1", "--batch", "1", "--json"];
    const { files } = JSON.parse((await execute(asked)).stdout);
    expect(files[1].macs).toBe(files[0].macs);
    // 3 × 3 weights of three layers with 1, 4 and 4 inputs, the classifier, and a bias each; no batch norms any more.
    expect(files[1].parameters).toBe(9 * 4 * (1 + 4 + 4) + 4 * 3 + 4 * 3 + 3);
  });

  test("keeps the layers that are named, and no others", async () => {
    const kept = join(workplace, "kept.onnx");
    const asked = ["--data", data, "--keep", "stem.conv, classifier", "--out", kept, "--json"];
    const report = JSON.parse((await quantize(...asked)).stdout);
    expect(report.kept).toEqual([
      { name: "stem.conv", reason: "asked for" },
      { name: "classifier", reason: "asked for" },
    ]);
    const { quantized } = JSON.parse((await execute(["inspect", kept, "--json"])).stdout);
    expect(quantized.floats.map(({ op }: { op: string }) => op)).toEqual(["Conv", "Relu", "Gemm"]);
  });
});

describe("bad input", () => {
  test.each([
    { given: ["--keep", "sten.conv"], code: "unknown-name", says: 'Did you mean "stem.conv"?' },
    { given: ["--images", "4"], code: "bad-option", says: "too few calibration images" },
    { given: ["--images", "90"], code: "bad-option", says: "too few calibration images" },
    { given: ["--max-loss", "lots"], code: "bad-option", says: "points of accuracy" },
    { given: ["--out", "tiny.json"], code: "bad-option", says: "another .onnx file" },
  ])("$given is refused", async ({ given, code, says }) => {
    const { exitCode, stderr } = await quantize("--data", data, ...given);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`[${code}]`);
    expect(stderr).toContain(says);
  });

  test("no data, no file, and a file that is quantised already", async () => {
    expect(await quantize()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("no data was given") });
    const absent = await execute(["quantize", join(workplace, "absent.onnx"), "--data", data]);
    expect(absent).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("[missing-file]") });
    const again = await execute(["quantize", out, "--data", data]);
    expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("is quantised already") });
    expect(existsSync(join(workplace, "tiny.int8.int8.onnx"))).toBe(false);
  });

  test("images of one class", async () => {
    const one = join(workplace, "one-class");
    const labels = Buffer.from(await readFile(join(data, "train-labels-idx1-ubyte")));
    labels.fill(1, 8);
    await mkdir(one);
    for (const name of readdirSync(data)) await copyFile(join(data, name), join(one, name));
    await writeFile(join(one, "train-labels-idx1-ubyte"), labels);
    const { exitCode, stderr } = await quantize("--data", one);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("all calibration images are of one class");
  });

  test("an old opset is raised, and that is said", async () => {
    const old = join(workplace, "old.onnx");
    const model = decodeModel(await readFile(file), file);
    await writeFile(old, encodeModel({ ...model, opsetImport: [{ domain: "", version: 11 }] }));
    const { exitCode, stderr } = await execute(["quantize", old, "--engine", "reference", "--data", data]);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("opset 11 is raised to 13");
    const written = decodeModel(await readFile(join(workplace, "old.int8.onnx")), old);
    expect(written.opsetImport).toEqual([{ domain: "", version: 13 }]);
  });
});
