/**
 * How images are shown to the network of a file: what the user or the file says, and the question where neither does.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ImageFileOptions } from "../../src/data/images/open.ts";
import { loadOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import { readRunRecord } from "../../src/training/run-folder/run-record.ts";
import { preparationOf } from "../../src/training/start/data/file-metadata.ts";
import { execute, tinyWorkplace } from "./support.ts";

let workplace: string;
let data: string;
let foreign: string;
beforeAll(async () => {
  workplace = await tinyWorkplace();
  const { readdir } = await import("node:fs/promises");
  data = join(workplace, (await readdir(workplace)).find((name) => name.startsWith("data-")) ?? "");
  foreign = await withMetadata("foreign.onnx", {});
});
afterAll(() => rm(workplace, { recursive: true, force: true }));

async function withMetadata(name: string, metadata: Readonly<Record<string, string>>): Promise<string> {
  const path = join(workplace, name);
  const { graph, weights } = await loadOnnx(join(workplace, "tiny.onnx"));
  // Without what the file said of itself, which stays with a graph.
  const { name: title, inputs, parameters, nodes, outputs, updates } = graph;
  await saveOnnx({ graph: { name: title, inputs, parameters, nodes, outputs, updates }, weights }, path, { metadata });
  return path;
}

async function preparation(path: string): Promise<ImageFileOptions> {
  return preparationOf({ ...(await loadOnnx(path)), path });
}

const quick = ["--engine", "reference", "--json"];
function train(model: string, out: string, ...more: readonly string[]): ReturnType<typeof execute> {
  const options = ["--data", data, "--epochs", "1", "--batch", "16", "--no-latency", "--out", join(workplace, out)];
  return execute(["train", model, ...options, ...quick, ...more]);
}

async function normalizationOf(out: string): Promise<unknown> {
  return (await readRunRecord(join(workplace, out))).data.normalization;
}

describe("where neither file nor user says how", () => {
  it.each([
    ["train", (): ReturnType<typeof execute> => train(foreign, "asked")],
    ["eval", (): ReturnType<typeof execute> => execute(["eval", foreign, "--data", data, ...quick])],
  ])("%s asks, and shows the usual values as flags", async (_, run) => {
    const { exitCode, stderr } = await run();
    expect(exitCode).toBe(2);
    expect(stderr).toContain("foreign.onnx");
    for (const flags of [
      "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
      "--mean 0.4914,0.4822,0.4465 --std 0.247,0.2435,0.2616",
      "--mean 0,0,0 --std 1,1,1",
      "--mean 0.5,0.5,0.5 --std 0.5,0.5,0.5",
    ]) {
      expect(stderr).toContain(flags);
    }
  });

  it("new weights do not mind", async () => {
    expect((await train(foreign, "scratch", "--from-scratch")).exitCode).toBe(0);
  });
});

describe("what is said", () => {
  it("by the user is used, kept with the run and written into its files", async () => {
    expect((await train(foreign, "said", "--mean", "0.25", "--std", "0.5")).exitCode).toBe(0);
    const expected = { mean: [0.25], standardDeviation: [0.5] };
    expect(await normalizationOf("said")).toEqual(expected);
    expect(await preparation(join(workplace, "said", "compact.onnx"))).toMatchObject(expected);
    expect(
      new Map((await loadOnnx(join(workplace, "said", "network.onnx"))).graph.header?.metadata).get("layout"),
    ).toBe("NCHW");
  });

  it("by the file is used, also for data that has constants of its own; the user is heard first", async () => {
    const normalization = JSON.stringify({ mean: [0.125], standardDeviation: [0.75] });
    const file = await withMetadata("telling.onnx", { normalization });
    expect((await train(file, "told")).exitCode).toBe(0);
    expect(await normalizationOf("told")).toEqual({ mean: [0.125], standardDeviation: [0.75] });
    expect((await train(file, "over", "--mean", "0.5", "--std", "1")).exitCode).toBe(0);
    expect(await normalizationOf("over")).toEqual({ mean: [0.5], standardDeviation: [1] });
  });

  it("must be one number a channel, and both", async () => {
    const wrong = await train(foreign, "wrong", "--mean", "0.5,0.5,0.5", "--std", "1,1,1");
    expect([wrong.exitCode, wrong.stderr]).toEqual([
      2,
      expect.stringContaining("1 means and as many standard deviations above 0"),
    ]);
    const half = await train(foreign, "half", "--mean", "0.5");
    expect([half.exitCode, half.stderr]).toEqual([2, expect.stringContaining("--mean and --std go together")]);
  });
});

describe("the ONNX specification's own metadata", () => {
  const range = "Image.NominalPixelRange";
  const format = "Image.BitmapPixelFormat";

  it.each([
    [
      { [range]: "Normalized_0_1", [format]: "Rgb8" },
      { mean: [0, 0, 0], standardDeviation: [1, 1, 1] },
    ],
    [
      { [range]: "Normalized_1_1", [format]: "Gray8" },
      { mean: [0.5], standardDeviation: [0.5] },
    ],
    [
      { [range]: "NominalRange_0_255", [format]: "Gray8" },
      { mean: [0], standardDeviation: [1 / 255] },
    ],
  ])("%j is understood", async (metadata, expected) => {
    expect(await preparation(await withMetadata("specified.onnx", metadata))).toEqual(expected);
  });

  it.each([
    [{ [format]: "Bgr8" }, "another order"],
    [{ layout: "CHWN" }, "another layout"],
  ])("%j is refused", async (metadata, message) => {
    await expect(preparation(await withMetadata("refused.onnx", metadata))).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining(message),
    });
  });
});
