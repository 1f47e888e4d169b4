/** Latency as a cost: the model of structures agrees with the prediction for the network that is really cut. */
import { describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.ts";
import { tensor } from "../../src/core/tensor.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { predictLatency } from "../../src/latency/predict.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { compact } from "../../src/pruning/compact.ts";
import { budgetSelection, budgetShare, parseBudget, smallestShare } from "../../src/selection/budget.ts";
import { costModel } from "../../src/selection/cost-model.ts";
import { type Factor, selectionKeys } from "../../src/selection/factors.ts";
import { place, structureKinds } from "../../src/selection/place.ts";
import { shareGamma, structureCosts } from "../../src/selection/structure-costs.ts";
import { tableOf } from "../latency/tables.ts";

const formula = (outputs: number, inputs: number): number => 0.01 + 0.001 * outputs + (outputs * inputs) / 8192;

function everyKind(graph: Graph): ReturnType<typeof place> {
  return place(graph, Object.fromEntries(structureKinds(graph).map((kind) => [selectionKeys[kind], 1] as const)));
}

/** Each structure at zero with this chance, but the first of a factor, so that every layer stays. */
function randomMarks(factors: readonly Factor[], chance: number, seed: number): Uint8Array {
  const random = new RandomStream(seed, "marks");
  return Uint8Array.from(
    factors.flatMap(({ count, kind }) =>
      Array.from({ length: count }, (_, index) =>
        (index > 0 || kind === "block") && random.uniform() < chance ? 1 : 0,
      ),
    ),
  );
}

describe.each(["resnet-20", "vgg-16", "resnext-20", "densenet-40", "mobilenet-v2-cifar"])("%s", (name) => {
  const graph = model(name);
  const { graph: scaled, factors } = everyKind(graph);

  test.each([
    [1, 0.2],
    [8, 0.4],
  ])("in blocks of %d channels costs what the cut network is predicted to take", (block, chance) => {
    const latencyTable = tableOf(graph, formula, block);
    const cost = costModel(scaled, factors, "latency", { latencyTable });
    expect(cost.whole).toBeCloseTo(predictLatency(graph, latencyTable), 6);
    const weights = initialize(scaled, 1);
    for (let seed = 0; seed < 3; seed++) {
      const marks = randomMarks(factors, chance, seed);
      let next = 0;
      const zeroed = factors.map(({ parameter, count }) => {
        const own = Float32Array.from({ length: count }, () => (marks[next++] === 1 ? 0 : 1));
        return [parameter, tensor([count], own)] as const;
      });
      const { network } = compact({ graph: scaled, weights: new Map([...weights, ...zeroed]) });
      const predicted = predictLatency(network.graph, latencyTable);
      expect(cost.remaining(marks).left).toBeCloseTo(predicted, 6);
    }
  });
});

test("alone a structure saves nothing where the runtime computes sixteen channels at once", () => {
  const graph = model("vgg-16");
  const latencyTable = tableOf(graph, (outputs, inputs) => (outputs * inputs) / 1024, 16);
  const { graph: scaled, factors } = place(graph, { neurons: 1 });
  const remaining = costModel(scaled, factors, "latency", { latencyTable }).remaining();
  expect(remaining.gain(0)).toBe(0);
  for (let channel = 0; channel < 15; channel++) remaining.remove(channel);
  // 64 to 48 outputs of the first layer, whose 3 inputs take as long as 16, and inputs of the second, which is 64 wide.
  expect(remaining.gain(15)).toBe((16 * 16 + 64 * 16) / 1024);
  const [first] = structureCosts(scaled, factors, { latencyTable }).factors;
  expect(first?.each[0]?.latency).toBeCloseTo((64 * 16 + 64 * 64) / 1024 / 64, 5);
  const shared = shareGamma(scaled, factors, "latency", { latencyTable });
  expect(new Set(shared.map(({ gammaScale }) => gammaScale?.length))).toEqual(new Set([1]));
});

test("budgets are written as a share of the latency, or in milliseconds", () => {
  expect(parseBudget("50%-latency")).toEqual({ of: "latency", share: 0.5 });
  expect(parseBudget("1.5ms")).toEqual({ of: "latency", count: 1.5 });
  expect(parseBudget(" 800 us ")).toEqual({ of: "latency", count: 0.8 });
  for (const wrong of ["0ms", "5-latency", "5k-latency", "-1ms", "150%-latency", "ms"]) {
    expect(() => parseBudget(wrong)).toThrow(/budget/);
  }
});

test("a budget of latency selects kinds by their time, and knows the least that is left", () => {
  const graph = model("resnet-20");
  const latencyTable = tableOf(graph, formula, 16);
  const budget = parseBudget("50%-latency");
  const select = budgetSelection(graph, budget, { latencyTable });
  expect(Object.keys(select).toSorted()).toEqual(["blocks", "neurons"]);
  expect(select.blocks).toBeGreaterThan(select.neurons ?? 0);
  const { graph: scaled, factors } = place(graph, select);
  const least = smallestShare(scaled, factors, "latency", { latencyTable });
  expect(least).toBeGreaterThan(0);
  expect(least).toBeLessThan(0.5);
  const whole = { macs: 1, parameters: 1, latency: 3 };
  expect(budgetShare(parseBudget("1.5ms"), whole)).toBe(0.5);
});
