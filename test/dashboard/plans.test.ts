/** The plans that the server gives a visitor, and the tables that it makes of the times that come back. */
import { expect, test } from "vitest";
import { TimingPlans, tableFrom } from "../../src/dashboard/plans.ts";
import { LatencyPredictor } from "../../src/latency/predict.ts";
import { parseLatencyTable } from "../../src/latency/table.ts";
import { model } from "../../src/models/zoo.ts";

const plans = new TimingPlans();

test("a model's times become a table of it", async () => {
  const kept = await plans.ofModel("resnet-20");
  if (kept === undefined) throw new Error("no plan");
  // It is made once: the times that a visitor sends are those of the plan that it got.
  expect(await plans.ofModel("resnet-20")).toBe(kept);
  const { layers } = kept.plan;
  const times = {
    ...{ device: "a phone", runtimeVersion: "1.30.0", provider: "wasm", threads: 1, spread: 0.05 },
    ...{ milliseconds: layers.map(({ outputs, inputs }) => 0.001 * outputs * inputs), whole: 12, empty: 0.5 },
  };
  const { json, milliseconds } = tableFrom(kept, times);
  const table = parseLatencyTable(json, "phone.json");
  new LatencyPredictor(table).requireLayers(model("resnet-20"), "phone.json");
  expect(milliseconds).toBeCloseTo(12, 1);
  // A body has at most 16 kB, with five digits for each time.
  expect(JSON.stringify({ ...times, milliseconds: layers.map(() => 0.0012345) }).length).toBeLessThan(16_384);
  for (const wrong of [
    ...[
      null,
      {},
      { ...times, milliseconds: [1] },
      { ...times, device: "" },
      { ...times, device: "\u001b[2J" },
      { ...times, provider: "cpu" },
    ],
    ...[
      { ...times, whole: 0 },
      { ...times, more: 1 },
      { ...times, milliseconds: layers.map(() => -1) },
    ],
  ]) {
    expect(() => tableFrom(kept, wrong)).toThrow("these are not the times of this network's layers");
  }
});

test("there are no plans of models that there are not", async () => {
  expect(await plans.ofModel("resnet-21")).toBeUndefined();
});
