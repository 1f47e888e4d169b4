import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { inspect } from "../../src/cli/inspection.ts";
import { fileFacts } from "../../src/evaluation/file-facts.ts";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { cost } from "../../src/graph/cost.ts";
import { structureOf } from "../../src/report/structure.ts";

test("multiply-accumulates and parameters are what counting by hand gives", () => {
  const builder = new GraphBuilder("counted");
  const src = builder.input("images", ["N", 4, 10, 10]);
  // 8 outputs x 5 x 5 pixels, each 2 channels (of its group) x 3 x 3.
  const conv = builder.convolution("conv", src, {
    channels: 8,
    kernel: 3,
    strides: 2,
    padding: 1,
    groups: 2,
    bias: true,
  });
  const norm = builder.scale("conv.neuron", builder.batchNormalization("norm", conv), 8);
  const pooled = builder.flatten("flat", builder.globalAveragePooling("pool", builder.relu("relu", norm)));
  builder.output(builder.linear("classifier", pooled, 3));
  const { macs, parameters } = cost(builder.build());
  expect(macs).toBe(8 * 25 * 18 + 3 * 8);
  expect(parameters).toBe(8 * 18 + 8 + 2 * 8 + 3 * 8 + 3);
});

test.each(["transformer-17", "windows-17", "context-17"])(
  "%s: the products that ONNX Runtime computes",
  async (name) => {
    const path = fileURLToPath(new URL(`../formats/onnx/fixtures/${name}.onnx`, import.meta.url));
    const { graph } = await loadOnnx(path);
    expect(graph.nodes.some(({ op }) => op === "matmul")).toBe(true);
    const { macs } = cost(graph);
    expect(macs).toBe((await fileFacts(path)).macs);
    // What lists layers has all of them.
    const { layers, products } = structureOf(graph, graph);
    expect(layers.reduce((sum, { macsBefore }) => sum + macsBefore, products?.macsBefore ?? 0)).toBe(macs);
    expect(products?.macsAfter).toBe(products?.macsBefore);
    const inspected = inspect({ graph, weights: new Map() }).layers;
    expect(inspected.reduce((sum, layer) => sum + layer.macs, 0)).toBe(macs);
  },
);
