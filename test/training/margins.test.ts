import { expect, test } from "vitest";
import { tensor } from "../../src/core/tensor.ts";
import { place } from "../../src/selection/place.ts";
import { marginsOf } from "../../src/training/progress/factor-margins.ts";
import { tinyDataset, tinyResnet, trainTiny } from "./tiny.ts";

const { factors } = place(tinyResnet(), { neurons: 0.1, blocks: 0.1 });

/** The state of a network whose factors all have these values and margins, as many as each has. */
function stateOf(values: readonly number[], margins: readonly number[]) {
  const of = (numbers: readonly number[], count: number) => tensor([count], Float32Array.from(numbers.slice(0, count)));
  return {
    weights: new Map(factors.map(({ parameter, count }) => [parameter, of(values, count)] as const)),
    optimizer: {
      velocity: new Map(),
      held: new Map(),
      margin: new Map(factors.map(({ parameter, count }) => [parameter, of(margins, count)] as const)),
    },
  };
}

test("margins of those at zero and of the living are told apart, without those that were cut", () => {
  const state = stateOf([1, 0, 0.5, 0], [-0.123456, 0.25, 0.5, 0.125]);
  const neurons = factors.findIndex(({ count }) => count === 4);
  const all = marginsOf(factors, state, ({ count }) => Array.from({ length: count }, (_, index) => index));
  expect(all).toHaveLength(factors.length);
  expect(all[neurons]).toEqual({ zero: 0.125, living: [-0.1235, 0.5] });
  // The lowest margin of those at zero is told, not the last one.
  const backwards = marginsOf(factors, state, ({ count }) => Array.from({ length: count }, (_, at) => count - 1 - at));
  expect(backwards).toEqual(all);
  const left = marginsOf(factors, state, ({ count }) => (count === 4 ? [0, 1] : [0]));
  expect(left[neurons]).toEqual({ zero: 0.25, living: [-0.1235, -0.1235] });
  const blocks = factors.findIndex(({ count }) => count === 1);
  expect(all[blocks]).toEqual({ zero: null, living: [-0.1235, -0.1235] });
});

test("a run tells them with each epoch, of structures of either sort", async () => {
  const { events } = await trainTiny({
    ...{ data: tinyDataset(), engine: "reference", threads: 2, epochs: 4, batch: 16, latency: false },
    ...{ select: { neurons: 0.4, blocks: 0.4 }, shrink: false },
  });
  const epochs = events.filter((event) => event.type === "epoch");
  for (const { margins = [], layers } of epochs) {
    expect(margins.map(({ living }) => living !== null)).toEqual(layers.map(({ alive }) => alive > 0));
    expect(margins.map(({ zero }) => zero !== null)).toEqual(layers.map(({ alive, count }) => alive < count));
  }
  expect(epochs.flatMap(({ margins = [] }) => margins.flatMap(({ zero }) => zero ?? [])).length).toBeGreaterThan(0);
});
