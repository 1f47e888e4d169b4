/**
 * Quantised files in ONNX Runtime: a layer against integers computed by hand, networks against their floats, and the
 * runtime's profile against the promise that nothing between falls back to floats.
 */
import { rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { tensor } from "../../src/core/tensor.ts";
import { evaluationBatches } from "../../src/data/evaluation-batches.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { rangeOf as spreadOf } from "../../src/evaluation/comparison.ts";
import { openRuntime } from "../../src/evaluation/onnx-runtime.ts";
import { floatNodes, profileFile } from "../../src/evaluation/runtime-profile.ts";
import { loadForTraining, loadOnnx, openOnnx, saveOnnx } from "../../src/formats/onnx/index.ts";
import { decodeModel } from "../../src/formats/onnx/proto.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Network } from "../../src/graph/graph.ts";
import { integerReady } from "../../src/quantization/integer-ready.ts";
import { observe } from "../../src/quantization/observe.ts";
import { type QuantizedNetwork, quantizeGraph } from "../../src/quantization/quantize-graph.ts";
import { rangeOf } from "../../src/quantization/ranges.ts";
import { randomWeights } from "../engine/random-data.ts";
import { referenceHost } from "../evaluation/reference-host.ts";
import { temporaryFolder, tinyDataset } from "../training/tiny.ts";
import { floatsOf, networks } from "./networks.ts";

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const data = tinyDataset(48, 16, [3, 8, 8]);

async function quantized(network: Network, keep: readonly string[] = []): Promise<QuantizedNetwork> {
  const ready = integerReady(network);
  const observed = await observe(referenceHost(), ready, data.train, data.normalization, () => {});
  const ranges = new Map([...observed].map(([value, seen]) => [value, rangeOf(seen, "min-max")]));
  return quantizeGraph(ready, { ranges, keep: new Set(keep), largestWeight: 127 });
}

async function saved({ network, quantization }: QuantizedNetwork): Promise<string> {
  const path = join(folder, `${network.graph.name}.onnx`);
  await saveOnnx(network, path, { quantization });
  return path;
}

async function testImages(): Promise<ReturnType<typeof tensor>> {
  for await (const { images } of evaluationBatches(data.test, data.normalization, 16)) return images;
  throw new Error("no images");
}

async function inRuntime(path: string): Promise<Float32Array> {
  const session = await openRuntime(path, path);
  const results = await session.run(await testImages());
  await session.dispose();
  return results.get(session.outputs[0] ?? "")?.data ?? new Float32Array();
}

async function inReference({ graph, weights }: Network): Promise<Float32Array> {
  const plan = createReferenceEngine().prepare(graph, { batch: 16 });
  plan.write(weights);
  return plan.run({ images: await testImages() })[graph.outputs[0] ?? ""]?.data ?? new Float32Array();
}

/** Mean |a − b|, relative to the range of a. */
function meanGap(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? 0)), 0) / a.length / spreadOf(a);
}

describe.each(networks.map((graph) => [graph.name, graph] as const))("%s", (name, graph) => {
  const network = { graph, weights: randomWeights(graph, 5) };

  test("answers as its floats do, and the file read back as it answers", async () => {
    const path = await saved(await quantized(network));
    const answers = await inRuntime(path);
    expect(meanGap(await inReference(network), answers)).toBeLessThan(0.02);
    const { network: readBack, quantized: facts } = await openOnnx(path);
    expect(meanGap(await inReference(readBack), answers)).toBeLessThan(0.02);
    expect(facts?.floats.map((node) => node.name)).toEqual(floatsOf[name] ?? []);
  });

  test("is run on integers from end to end", async () => {
    const path = await saved(await quantized(network));
    const profile = await profileFile(path, { runs: 1, batch: 1 });
    expect(floatNodes(profile).map((node) => node.name)).toEqual(floatsOf[name] ?? []);
    // One conversion in and one out, and a pair around each node on floats.
    const conversions = profile.filter(({ op }) => /^(De)?[qQ]uantizeLinear$/.test(op));
    expect(conversions.length).toBeLessThanOrEqual(2 + 2 * (floatsOf[name]?.length ?? 0));
  });
});

describe("one layer", () => {
  const builder = new GraphBuilder("layer");
  const images = builder.input("images", ["N", 3, 8, 8]);
  builder.output(builder.relu("relu", builder.convolution("conv", images, { channels: 2, kernel: 1, bias: true })));
  const graph = builder.build();
  const weights = randomWeights(graph, 9);

  test("gives the integers that its scales say", async () => {
    const found = await quantized({ graph, weights });
    const { activations, parameters } = found.quantization;
    const [input, output] = ["images", "relu"].map((value) => activations.get(value) ?? { scale: 0, zeroPoint: 0 });
    const [weight, bias] = ["conv.weights", "conv.bias"].map((name) => parameters.get(name));
    if (input === undefined || output === undefined || weight === undefined || bias === undefined) throw new Error();
    expect(output.zeroPoint).toBe(0);
    const { data: pixels } = await testImages();
    const expected = new Float32Array(16 * 2 * 64);
    for (let at = 0; at < expected.length; at++) {
      const [image, channel, pixel] = [Math.floor(at / 128), Math.floor(at / 64) % 2, at % 64];
      let sum = bias.integers[channel] ?? 0;
      for (let source = 0; source < 3; source++) {
        const value = (pixels[(image * 3 + source) * 64 + pixel] ?? 0) / input.scale + input.zeroPoint;
        const integer = Math.min(255, Math.max(0, roundHalfToEven(value))) - input.zeroPoint;
        sum += integer * (weight.integers[channel * 3 + source] ?? 0);
      }
      const result = roundHalfToEven((sum * (input.scale * (weight.scales[channel] ?? 0))) / output.scale);
      expected[at] = Math.min(255, Math.max(0, result)) * output.scale;
    }
    const answers = await inRuntime(await saved(found));
    // The runtime multiplies scales in 32 bits: a sum that lies between two integers may be rounded to the other one.
    const others = answers.filter((value, at) => Math.abs(value - (expected[at] ?? 0)) > 1e-6);
    expect(others.length).toBeLessThanOrEqual(4);
    for (const [at, value] of answers.entries()) {
      expect(Math.abs(value - (expected[at] ?? 0))).toBeLessThan(1.01 * output.scale);
    }
  });

  test("that stays on floats is exact but for its input", async () => {
    const found = await quantized({ graph, weights }, ["conv"]);
    expect(found.quantization.parameters.size).toBe(0);
    expect(found.quantization.floatNodes).toEqual(new Set(["conv", "relu"]));
    expect(await inRuntime(await saved(found))).toEqual(await inRuntime(await floatFile({ graph, weights })));
  });
});

async function floatFile(network: Network): Promise<string> {
  const path = join(folder, "floats.onnx");
  await saveOnnx(network, path);
  return path;
}

function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

describe("a quantised file", () => {
  test("is refused where floats are wanted, with what to do", async () => {
    const [graph] = networks;
    if (graph === undefined) throw new Error("no network");
    const path = await saved(await quantized({ graph, weights: randomWeights(graph, 5) }));
    await expect(loadOnnx(path)).rejects.toMatchObject({
      code: "unsupported",
      details: { about: path, hint: expect.stringContaining("espalier train, inspect, eval and bench") },
    });
  });

  test("is read for training as floats within its ranges, and says so", async () => {
    for (const graph of networks) {
      const weights = randomWeights(graph, 5);
      const path = await saved(await quantized({ graph, weights }));
      const { network, notice } = await loadForTraining(path);
      expect(notice).toMatch(/is quantised: it is trained as floats, within the ranges of its integers/);
      const [own, runtime] = [await inRuntime(await floatFile(network)), await inRuntime(path)];
      const largest = Math.max(...own.map(Math.abs));
      const errors = own.map((value, at) => Math.abs(value - (runtime[at] ?? 0)) / largest);
      expect(errors.reduce((sum, error) => sum + error, 0) / errors.length).toBeLessThan(0.02);
    }
  });

  test("has each zero point once, for its values share them", async () => {
    for (const graph of networks) {
      const path = await saved(await quantized({ graph, weights: randomWeights(graph, 5) }));
      const { graph: message } = decodeModel(await readFile(path), path);
      const names = new Set(
        message?.node?.filter(({ opType }) => /Linear$/.test(opType ?? "")).map((n) => n.input?.[2]),
      );
      const zeroPoints = message?.initializer?.filter(({ name }) => names.has(name)) ?? [];
      const contents = zeroPoints.map(({ dataType, dims, rawData }) => `${dataType} [${dims}] ${rawData?.join()}`);
      expect(contents.length).toBeGreaterThan(1);
      expect(new Set(contents).size).toBe(contents.length);
    }
  });

  test("says its integers and scales", async () => {
    const [graph] = networks;
    if (graph === undefined) throw new Error("no network");
    const found = await quantized({ graph, weights: randomWeights(graph, 5) });
    const { quantized: facts } = await openOnnx(await saved(found));
    const stem = facts?.layers.find(({ name }) => name === "stem.conv");
    const scales = [...(found.quantization.parameters.get("stem.conv.weights")?.scales ?? [])];
    const output = found.quantization.activations.get("stem.relu");
    expect(stem).toEqual({
      ...{ name: "stem.conv", op: "Conv" },
      weights: { type: "int8", scales: 4, range: [Math.min(...scales), Math.max(...scales)] },
      output: { type: "uint8", scale: output?.scale, zeroPoint: 0 },
    });
  });
});
