import { expect, test } from "vitest";
import { tensor } from "../../src/core/tensor.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Network, Weights } from "../../src/graph/graph.ts";
import { initialize } from "../../src/models/initialize.ts";
import { compact } from "../../src/pruning/compact.ts";
import { place } from "../../src/selection/place.ts";
import type { NetworkCost } from "../../src/training/events/events.ts";
import { StructureTracker } from "../../src/training/progress/alive-tracker.ts";
import { CostMeter } from "../../src/training/progress/cost-meter.ts";
import { tinyResnet } from "./tiny.ts";

const { graph, factors } = place(tinyResnet(), { neurons: 0.1, blocks: 0.1 });
const fresh = initialize(graph, 1);

/** The fresh weights with other factors. */
function withFactors(values: Readonly<Record<string, readonly number[]>>): Weights {
  const changed = new Map(fresh);
  for (const [name, numbers] of Object.entries(values)) {
    changed.set(name, tensor([numbers.length], Float32Array.from(numbers)));
  }
  return changed;
}

test("what goes to zero is told once, what comes back is told, and the counts follow", () => {
  const tracker = new StructureTracker(factors, fresh);
  expect(tracker.totals()).toEqual({ alive: 10, count: 10 });
  expect(tracker.update(fresh)).toEqual([]);
  const zeroed = withFactors({ "block1.conv1.neuron.factor": [1, 0, 0.5, 0], "block2.add.block.factor": [0] });
  expect(tracker.update(zeroed)).toEqual([
    { type: "structure.zeroed", layer: "block1.conv1", kind: "neuron", index: 1 },
    { type: "structure.zeroed", layer: "block1.conv1", kind: "neuron", index: 3 },
    { type: "structure.zeroed", layer: "block2.add", kind: "block", index: 0 },
  ]);
  expect(tracker.update(zeroed)).toEqual([]);
  expect(tracker.totals()).toEqual({ alive: 7, count: 10 });
  expect(tracker.layers()).toContainEqual({ layer: "block1.conv1", kind: "neuron", alive: 2, count: 4 });
  expect(tracker.summaries()).toContainEqual({
    layer: "block1.conv1",
    kind: "neuron",
    minimum: 0,
    mean: 0.375,
    maximum: 1,
  });
  expect(tracker.update(withFactors({ "block1.conv1.neuron.factor": [1, 0, 0.5, 0] }))).toEqual([
    { type: "structure.revived", layer: "block2.add", kind: "block", index: 0 },
  ]);
});

async function costLeft(network: Network): Promise<NetworkCost> {
  const { macs, parameters } = cost(compact(network).network.graph);
  return { macs, parameters };
}

test("the cost left is that of the compact network", async () => {
  const meter = new CostMeter({ graph, weights: fresh }, costLeft);
  expect(await meter.estimate(fresh)).toEqual(cost(graph));
  const weights = withFactors({ "block1.conv1.neuron.factor": [1, 0, 0.5, 0], "block2.add.block.factor": [0] });
  const left = await meter.count(weights);
  expect(left).toEqual(cost(compact({ graph, weights }).network.graph));
  // Two of four channels of block 1 gone, and all of block 2: 36 pixels, 3x3 kernels.
  expect(cost(graph).macs - left.macs).toBe(36 * 9 * (2 * 2 * 4 + 2 * 4 * 4));
});

test("a glance counts again only if the set of zeros is another, and not all the time", async () => {
  let time = 0;
  // Each look at the clock is a millisecond, so a count takes one.
  const meter = new CostMeter({ graph, weights: fresh }, costLeft, () => time++);
  const before = await meter.estimate(fresh);
  const dead = withFactors({ "block2.add.block.factor": [0] });
  expect(await meter.estimate(dead)).toBe(before);
  time += 300;
  expect(await meter.estimate(withFactors({ "block2.add.block.factor": [0.25] }))).toBe(before);
  expect(await meter.estimate(dead)).toEqual(cost(compact({ graph, weights: dead }).network.graph));
  expect((await meter.estimate(dead)).macs).toBeLessThan(before.macs);
});
