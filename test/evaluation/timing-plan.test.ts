/** Plans of networks to time: they have every layer, and ONNX Runtime computes each as the network would. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runSession } from "../../src/evaluation/onnx-runtime.ts";
import { randomFeeds } from "../../src/evaluation/random-feeds.ts";
import { hasOnnxRuntime, onnxRuntime } from "../../src/evaluation/runtime-library.ts";
import { timingPlan } from "../../src/evaluation/timing-plan.ts";
import { decodeModel } from "../../src/formats/onnx/proto.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { LatencyPredictor } from "../../src/latency/predict.ts";
import { timedLayers } from "../../src/latency/timed-layers.ts";
import { type TimedFile, tableOfPlan, timedSessionOptions } from "../../src/latency/timing-plan.ts";
import { model } from "../../src/models/zoo.ts";
import { tinyResnet } from "../training/tiny.ts";

test.each([
  ["a small ResNet", tinyResnet()],
  ["resnet-20", model("resnet-20")],
  ["mobilenet-v2-cifar", model("mobilenet-v2-cifar")],
])("a plan of %s has all layers, each pair of widths once", async (_, graph: Graph) => {
  const { layers, own, whole } = await timingPlan(graph);
  const identities = layers.map(({ key, outputs, inputs }) => `${key} ${outputs} ${inputs}`);
  expect(new Set(identities).size).toBe(identities.length);
  expect(own.map((index) => identities[index])).toEqual(
    timedLayers(graph).map(({ key, outputs, inputs }) => `${key} ${outputs} ${inputs}`),
  );
  // Files without weights: about two kilobytes for each copy of a layer, in base64.
  expect(Math.max(...layers.map(({ many }) => many.file.length))).toBeLessThan(30_000);
  expect(whole.inputs).toEqual({ [graph.inputs[0]?.name ?? ""]: [1, ...(graph.inputs[0]?.shape.slice(1) ?? [])] });
  const { table } = tableOfPlan(
    { layers, own },
    {
      ...{ device: "none", runtimeVersion: "1", provider: "wasm", threads: 1, whole: 1, empty: 0.1, spread: 0 },
      milliseconds: layers.map(({ outputs, inputs }) => outputs * inputs),
    },
  );
  const predictor = new LatencyPredictor(table);
  predictor.requireLayers(graph, "table");
  // The layers together take what the network takes. The times of a table have four digits.
  expect(predictor.run(graph)).toBeCloseTo(1, 2);
});

/** The ops that ONNX Runtime runs for a file, and the shapes and values of what it computes. */
async function computed({ file, inputs }: TimedFile): Promise<{
  readonly ops: readonly string[];
  readonly outputs: readonly { readonly shape: readonly number[]; readonly values: Float32Array }[];
}> {
  const folder = await mkdtemp(join(tmpdir(), "espalier-plan-"));
  try {
    const optimizedFile = join(folder, "optimized.onnx");
    const session = await onnxRuntime().InferenceSession.create(Buffer.from(file, "base64"), {
      ...{ ...timedSessionOptions, optimizedModelFilePath: optimizedFile, logSeverityLevel: 4 },
    });
    const feeds = randomFeeds(session, "layer", { batch: 1 });
    expect(Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, [...dims]]))).toEqual(inputs);
    const results = await runSession(session, feeds, "layer");
    await session.release();
    const { graph } = decodeModel(await readFile(optimizedFile), "optimized");
    return {
      ops: (graph?.node ?? []).map(({ opType = "" }) => opType),
      outputs: Object.values(results).map(({ dims, data }) => ({ shape: [...dims], values: data as Float32Array })),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test.skipIf(!hasOnnxRuntime())("ONNX Runtime fuses each copy of a layer, and computes all of them", async () => {
  const { layers, whole, empty } = await timingPlan(tinyResnet());
  const kinds = layers.filter(({ key }, index) => layers.findIndex((other) => other.key === key) === index);
  for (const { key, outputs, one, many, copies } of kinds) {
    const [alone, several] = [await computed(one), await computed(many)];
    expect([key, alone.outputs.length, several.outputs.length]).toEqual([key, 1, 1 + copies]);
    for (const { shape, values } of [...alone.outputs, ...several.outputs]) {
      expect([key, shape.slice(0, 2)]).toEqual([key, [1, outputs]]);
      // No denormal numbers, which take longer.
      expect(values.every((value) => value === 0 || Math.abs(value) > 1e-20)).toBe(true);
    }
    // The weights are folded, and the batch norms and activations with them.
    expect(several.ops).not.toContain("ConstantOfShape");
    expect(several.ops).not.toContain("BatchNormalization");
    if (key.startsWith("convolution")) {
      expect(several.ops.filter((op) => op.endsWith("Conv")).length).toBe(1 + copies);
    }
  }
  const { ops, outputs } = await computed(whole);
  expect(ops).not.toContain("ConstantOfShape");
  expect(outputs.map(({ shape }) => shape)).toEqual([[1, 3]]);
  expect(outputs[0]?.values.every((value) => Number.isFinite(value) && Math.abs(value) > 1e-20)).toBe(true);
  expect((await computed(empty)).outputs.map(({ shape }) => shape)).toEqual([[1, 2, 1, 1]]);
});
