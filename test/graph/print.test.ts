import { describe, expect, test } from "vitest";
import { tensor } from "../../src/core/tensor.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { cost } from "../../src/graph/cost.ts";
import { formatLayers, layerRows } from "../../src/graph/print.ts";
import { model } from "../../src/models/zoo.ts";
import { fold } from "../../src/selection/fold.ts";

function small() {
  const builder = new GraphBuilder("small");
  const src = builder.input("images", ["N", 3, 4, 4]);
  const conv = builder.batchNormalization(
    "norm",
    builder.convolution("conv", src, { channels: 8, kernel: 3, padding: 1 }),
  );
  const scaled = builder.scale("conv.neuron", conv, 8);
  builder.output(builder.linear("classifier", builder.flatten("flat", builder.relu("relu", scaled)), 2));
  return builder.build();
}

describe("rows", () => {
  test("say what each node puts out and costs", () => {
    expect(layerRows(small())).toEqual([
      { name: "conv", op: "convolution", output: ["N", 8, 4, 4], parameters: 216, macs: 3456, structures: 0 },
      { name: "norm", op: "batch_normalization", output: ["N", 8, 4, 4], parameters: 16, macs: 0, structures: 0 },
      { name: "conv.neuron", op: "scale", output: ["N", 8, 4, 4], parameters: 0, macs: 0, structures: 8 },
      { name: "relu", op: "relu", output: ["N", 8, 4, 4], parameters: 0, macs: 0, structures: 0 },
      { name: "flat", op: "flatten", output: ["N", 128], parameters: 0, macs: 0, structures: 0 },
      { name: "classifier", op: "linear", output: ["N", 2], parameters: 258, macs: 256, structures: 0 },
    ]);
  });

  test("add up to the cost of the graph", () => {
    for (const name of ["resnet-20", "vgg-16", "resnext-20", "peleenet"]) {
      const graph = model(name, { classes: 10 });
      const rows = layerRows(graph);
      expect(rows.reduce((sum, row) => sum + row.parameters, 0)).toBe(cost(graph).parameters);
      expect(rows.reduce((sum, row) => sum + row.macs, 0)).toBe(cost(graph).macs);
    }
  });

  test("count factors once where a folded graph applies them twice, and shapes of parameters as they are", () => {
    const rows = layerRows(fold(small())).filter(({ op }) => op === "scale");
    expect(rows.map(({ output, structures }) => [output, structures])).toEqual([
      [[8], 8],
      [[8], 0],
    ]);
  });

  test("count what is alive where weights are given", () => {
    const weights = new Map([["conv.neuron.factor", tensor([8], Float32Array.of(1, 0, 0.5, 0, 0, 2, 0, 1e-9))]]);
    expect(layerRows(small(), weights)[2]).toMatchObject({ structures: 8, alive: 4 });
    expect(formatLayers(small(), weights)).toContain("4 of 8");
  });
});

test("the text is a table with aligned columns and sums", () => {
  expect(formatLayers(small())).toBe(
    [
      "layer              op                   output   parameters   MACs  structures",
      "conv               convolution          N×8×4×4         216  3,456",
      "norm               batch_normalization  N×8×4×4          16",
      "conv.neuron        scale                N×8×4×4                              8",
      "relu               relu                 N×8×4×4",
      "flat               flatten              N×128",
      "classifier         linear               N×2             258    256",
      "small, all layers                                       490  3,712           8",
    ].join("\n"),
  );
});
