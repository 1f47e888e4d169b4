/** What a table of times predicts for a layer and for a network. */
import { describe, expect, test } from "vitest";
import { LatencyPredictor, predictLatency } from "../../src/latency/predict.ts";
import type { LatencyTable } from "../../src/latency/table.ts";
import { timedLayers } from "../../src/latency/timed-layers.ts";
import { model } from "../../src/models/zoo.ts";
import { tableOf } from "./tables.ts";

const table: LatencyTable = {
  ...tableOf(model("resnet-20"), () => 1),
  channelBlock: 16,
  narrow: 12,
  layers: [
    {
      layer: "layer",
      outputs: [16, 32, 64],
      inputs: [4, 16, 32],
      milliseconds: [
        [1, 2, 4],
        [2, 4, 8],
        [4, 8, 16],
      ],
    },
    { layer: "first", outputs: [16], inputs: [3], milliseconds: [[1]] },
  ],
};

describe("a layer", () => {
  const predictor = new LatencyPredictor(table);

  test.each([
    ["at a width of the table", 32, 16, 4],
    ["rounded up to the channels computed at once", 17, 17, 8],
    ["between two widths", 48, 32, 12],
    ["with a narrow input, channel by channel", 16, 9, 1 + 5 / 12],
    ["with an input that is not narrow", 16, 13, 2],
    ["with an input below the table's", 16, 1, 1],
    ["wider than the table, in proportion", 128, 32, 32],
    ["of no outputs", 0, 16, 0],
    ["of no inputs", 16, 0, 0],
  ])("%s", (_, outputs, inputs, expected) => {
    expect(predictor.layer("layer", outputs, inputs)).toBeCloseTo(expected, 5);
  });

  test("whose input is narrower than a block everywhere is not rounded beyond the table", () => {
    expect(predictor.layer("first", 16, 3)).toBeCloseTo(1, 5);
  });

  test("that the table does not have takes no time, and a network that needs it is refused with its name", () => {
    expect(predictor.layer("other", 16, 16)).toBe(0);
    const graph = model("resnet-20");
    expect(() => predictor.requireLayers(graph, "table.json")).toThrow(/table\.json.*no times of some layers/);
    expect(() => new LatencyPredictor(tableOf(graph, () => 1)).requireLayers(graph, "table.json")).not.toThrow();
  });
});

describe("widths that the fast kernels do not compute", () => {
  const unaligned = {
    outputs: [10, 30],
    inputs: [17, 33],
    milliseconds: [
      [10, 20],
      [30, 40],
    ],
  };
  const whole = { outputs: [32], inputs: [32], milliseconds: [[8]] };
  const plain = { outputs: [32, 64], inputs: [1], milliseconds: [[1], [2]] };
  const plainUnaligned = { outputs: [30, 50], inputs: [1], milliseconds: [[5], [7]] };
  const predictor = new LatencyPredictor({
    ...table,
    version: 2,
    inputAlignment: 4,
    layers: [
      { layer: "convolution 3x3, 8x8", ...whole, unaligned },
      { layer: "convolution 1x1, 8x8", ...whole },
      { layer: "concatenation, 8x8", ...plain, unaligned: plainUnaligned },
      { layer: "linear", ...whole, unaligned },
    ],
  });

  test.each([
    ["a convolution between them, without filling up blocks", "convolution 3x3, 8x8", 20, 25, 25],
    ["a convolution whose inputs are a multiple of the alignment", "convolution 3x3, 8x8", 20, 20, 8],
    ["a convolution of less than a block", "convolution 3x3, 8x8", 20, 7, 8],
    ["a convolution that has no such times", "convolution 1x1, 8x8", 20, 25, 8],
    ["values that fill blocks", "concatenation, 8x8", 48, 1, 1.5],
    ["values that do not fill blocks", "concatenation, 8x8", 40, 1, 6],
    ["a linear layer, which has no blocks", "linear", 20, 25, 8],
  ])("%s", (_, key, outputs, inputs, expected) => {
    expect(predictor.layer(key, outputs, inputs)).toBeCloseTo(expected, 5);
  });

  test("count as others where the runtime has no alignment", () => {
    const { layers } = predictor.table;
    const without = new LatencyPredictor({ ...table, layers });
    expect(without.layer("convolution 3x3, 8x8", 20, 25)).toBeCloseTo(8, 5);
  });
});

test("a run is the sum of its layers and the time beyond them, exactly", () => {
  const graph = model("vgg-16");
  const made = tableOf(graph, (outputs, inputs) => (outputs * inputs) / 1024);
  const sum = timedLayers(graph).reduce((total, { outputs, inputs }) => total + (outputs * inputs) / 1024, 0.5);
  expect(predictLatency(graph, made)).toBe(sum);
});
