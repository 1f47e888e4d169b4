/**
 * Tables measured in ONNX Runtime: their form, and that they belong to the network. Times themselves are not asserted.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { knownLatencyTable } from "../../src/evaluation/known-latency-table.ts";
import { measureLatencyTable } from "../../src/evaluation/latency-table.ts";
import { hasOnnxRuntime, onnxRuntimeVersion } from "../../src/evaluation/runtime-library.ts";
import { probeRuntime } from "../../src/evaluation/runtime-probe.ts";
import { traceNetwork } from "../../src/evaluation/runtime-trace.ts";
import { evenVariants, gridWidths, unalignedVariants, widthVariants } from "../../src/evaluation/width-variants.ts";
import { LatencyPredictor } from "../../src/latency/predict.ts";
import { formatLatencyTable, parseLatencyTable } from "../../src/latency/table.ts";
import { timedLayers } from "../../src/latency/timed-layers.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { temporaryFolder, tinyResnet } from "../training/tiny.ts";

const graph = tinyResnet();

test.skipIf(!hasOnnxRuntime())("a network's table has all of its layers, and is kept", async () => {
  const folder = join(temporaryFolder(), "kept");
  const asked: number[] = [];
  // Tests run on busy machines.
  const options = { mostSpread: Number.POSITIVE_INFINITY, onVariant: (index: number) => asked.push(index) };
  const table = await knownLatencyTable(folder, graph, options);
  new LatencyPredictor(table).requireLayers(graph, "table");
  expect(table).toMatchObject({ runtimeVersion: onnxRuntimeVersion(), provider: "cpu", threads: 1, batch: 1 });
  expect([1, 8, 16]).toContain(table.channelBlock);
  expect(table.layers.every(({ milliseconds }) => milliseconds.flat().every((time) => time >= 0))).toBe(true);
  expect(new LatencyPredictor(table).run(graph)).toBeGreaterThan(0);
  expect(parseLatencyTable(formatLatencyTable(table), "table")).toEqual(table);
  expect(asked.length).toBeGreaterThan(0);
  const count = asked.length;
  expect(await knownLatencyTable(folder, graph, options)).toEqual(table);
  expect(asked.length).toBe(count);
  // A damaged file is measured again.
  const [file = ""] = readdirSync(folder);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, file), "{");
  await knownLatencyTable(folder, graph, options);
  expect(asked.length).toBeGreaterThan(count);
});

test.skipIf(!hasOnnxRuntime())("a machine that stays too busy is refused after three attempts", async () => {
  const attempts = new Set<number>();
  const failed = measureLatencyTable(graph, {
    mostSpread: -1,
    onVariant: (_, __, attempt) => attempts.add(attempt),
  });
  await expect(failed).rejects.toMatchObject({ code: "unsupported", details: { hint: /--latency-table/ } });
  expect([...attempts]).toEqual([1, 2, 3]);
});

test.skipIf(!hasOnnxRuntime())("every node that the runtime runs belongs to a layer of the network", async () => {
  const network = { graph: model("resnet-20"), weights: initialize(model("resnet-20"), 1) };
  const { layers, optimized } = await traceNetwork(network, { threads: 1, batch: 1, runs: 2 });
  expect(layers.map(({ key }) => key)).toEqual(timedLayers(network.graph).map(({ key }) => key));
  expect(layers.reduce((sum, { nodes }) => sum + nodes, 0)).toBe(optimized.graph?.node?.length);
  // Each convolution and the linear layer is computed by at least one node of its own.
  expect(layers.filter(({ key, nodes }) => /^(convolution|linear)/.test(key) && nodes === 0)).toEqual([]);
});

test("grids have the widths that matter", () => {
  expect(gridWidths(16, 16)).toEqual([2, 4, 8, 12, 16]);
  expect(gridWidths(64, 16)).toEqual([2, 4, 8, 16, 32, 48, 64]);
  expect(gridWidths(512, 16)).toEqual([16, 32, 48, 64, 128, 256, 512]);
  expect(gridWidths(10, 1)).toEqual([1, 2, 3, 4, 8, 10]);
});

test("variants give layers that follow each other all pairs of widths, and end with the network itself", () => {
  const whole = model("resnet-20");
  const { count, variant } = widthVariants(whole, 16, 36);
  const pairs = new Set<string>();
  for (let index = 0; index < count; index++) {
    for (const { node, outputs, inputs } of timedLayers(variant(index).graph)) {
      if (node === "stage1.block2.conv2" || node === "stage3.block2.conv1") pairs.add(`${node} ${inputs}>${outputs}`);
    }
  }
  for (const inputs of [2, 4, 8, 12, 16]) expect(pairs).toContain(`stage1.block2.conv2 ${inputs}>16`);
  for (const outputs of [2, 8, 16, 64]) expect(pairs).toContain(`stage3.block2.conv1 64>${outputs}`);
  expect(timedLayers(variant(count - 1).graph)).toEqual(timedLayers(whole));
});

test("even variants keep the same part of all widths, and are only for widths that are not all on the grid", () => {
  expect(evenVariants(model("resnet-20"), 16).count).toBe(0);
  const whole = timedLayers(model("vgg-16"));
  const { count, variant } = evenVariants(model("vgg-16"), 16);
  const shares = new Set<number>();
  for (let index = 0; index < count; index++) {
    const own = timedLayers(variant(index).graph).map(({ outputs }, at) => outputs / (whole[at]?.outputs ?? 0));
    // The widest layers have 512 channels; those of 64 have four blocks.
    const share = Math.min(...own.filter((_, at) => whole[at]?.outputs === 512));
    shares.add(share);
    for (const [at, value] of own.entries()) {
      if (whole[at]?.key.startsWith("convolution")) expect(Math.abs(value - share)).toBeLessThanOrEqual(0.125);
    }
  }
  expect([...shares]).toEqual([0.25, 0.375, 0.5, 0.625, 0.75, 0.875]);
});

test("unaligned variants thin each of the values that are joined, and of neighbours only one", () => {
  const { count, variant } = unalignedVariants(model("densenet-40"), 16);
  const widths = new Set<number>();
  for (let index = 0; index < count; index++) {
    for (const { node, outputs } of timedLayers(variant(index).graph)) {
      if (node === "block2.layer3.conv1") widths.add(outputs);
    }
  }
  // Of 12 channels.
  expect([...widths].some((width) => width < 4)).toBe(true);
  expect([...widths].some((width) => width >= 10 && width < 12)).toBe(true);
  const vgg = unalignedVariants(model("vgg-16"), 16);
  for (let index = 0; index < vgg.count; index++) {
    for (const { key, outputs, inputs } of timedLayers(vgg.variant(index).graph)) {
      if (key.startsWith("convolution")) expect(outputs % 16 === 0 || inputs % 16 === 0 || inputs === 3).toBe(true);
    }
  }
});

test.skipIf(!hasOnnxRuntime())("the runtime's blocks are found in what it makes of convolutions", async () => {
  const { channelBlock, inputAlignment } = await probeRuntime(1);
  expect([1, 8, 16]).toContain(channelBlock);
  // 4 in all kernels of ONNX Runtime that have blocks.
  expect(inputAlignment).toBe(channelBlock === 1 ? 1 : 4);
});
