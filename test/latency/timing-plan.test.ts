/** Tables from the times of a plan: they give back the times, and together what the network took. */
import { expect, test } from "vitest";
import { LatencyPredictor } from "../../src/latency/predict.ts";
import { formatLatencyTable, parseLatencyTable } from "../../src/latency/table.ts";
import { type PlanTimes, type TimedFile, tableOfPlan } from "../../src/latency/timing-plan.ts";

const file: TimedFile = { file: "", inputs: {} };
const layer = (key: string, outputs: number, inputs: number) => ({
  ...{ key, outputs, inputs, copies: 2, one: file, many: file },
});

const layers = [
  layer("convolution 3x3, 8x8, relu", 4, 4),
  layer("convolution 3x3, 8x8, relu", 8, 4),
  layer("convolution 3x3, 8x8, relu", 4, 8),
  layer("convolution 3x3, 8x8, relu", 8, 8),
  layer("linear", 10, 8),
];
/** The network has two convolutions of 8 to 8 channels, and a linear layer. */
const plan = { layers, own: [3, 3, 4] };
const times: PlanTimes = {
  ...{ device: "a phone", runtimeVersion: "1.30.0", provider: "wasm", threads: 1 },
  ...{ milliseconds: [1, 1.5, 2, 4, 0.5], whole: 8.7, empty: 0.2, spread: 0.034567 },
};

test("the table has the measured times where the network takes what its layers take", () => {
  const { table, inNetwork } = tableOfPlan(plan, times);
  expect(inNetwork).toBeCloseTo(1, 12);
  expect(table).toMatchObject({
    ...{ device: "a phone", runtime: "ONNX Runtime Web", runtimeVersion: "1.30.0", provider: "wasm" },
    ...{ threads: 1, batch: 1, channelBlock: 1, narrow: 0, overhead: 0.2, spread: 0.03457 },
  });
  expect(table.layers).toEqual([
    {
      layer: "convolution 3x3, 8x8, relu",
      outputs: [4, 8],
      inputs: [4, 8],
      milliseconds: [
        [1, 2],
        [1.5, 4],
      ],
    },
    { layer: "linear", outputs: [10], inputs: [8], milliseconds: [[0.5]] },
  ]);
  expect(parseLatencyTable(formatLatencyTable(table), "table")).toEqual(table);
});

test("layers that take longer in the network than alone are longer in the table", () => {
  const { table, inNetwork } = tableOfPlan(plan, { ...times, whole: 0.2 + 2 * 8.5 });
  expect(inNetwork).toBeCloseTo(2, 12);
  const predictor = new LatencyPredictor(table);
  expect(predictor.layer("convolution 3x3, 8x8, relu", 8, 8)).toBeCloseTo(8, 4);
  expect(predictor.layer("linear", 10, 8)).toBeCloseTo(1, 4);
});

test("kernels of WebGPU compute four channels at once", () => {
  const { table } = tableOfPlan(plan, { ...times, provider: "webgpu" });
  expect(table).toMatchObject({ provider: "webgpu", channelBlock: 4, narrow: 0 });
});

test("an overhead as long as the whole network, or layers without time, still give a table", () => {
  const { table } = tableOfPlan(plan, { ...times, empty: 50 });
  expect(table.overhead).toBe(4.35);
  const zeros = tableOfPlan(plan, { ...times, milliseconds: [0, 0, 0, 0, 0] });
  expect(zeros.inNetwork).toBe(1);
  expect(() => parseLatencyTable(formatLatencyTable(zeros.table), "table")).not.toThrow();
});

test("a time too few is a fault", () => {
  expect(() => tableOfPlan(plan, { ...times, milliseconds: [1] })).toThrow("one time for each of its layers");
});
