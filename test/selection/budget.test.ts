import { describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.ts";
import { tensor } from "../../src/core/tensor.ts";
import { cost } from "../../src/graph/cost.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { compact } from "../../src/pruning/compact.ts";
import { budgetSelection, describeBudget, parseBudget, smallestShare } from "../../src/selection/budget.ts";
import { costModel, zerosOf } from "../../src/selection/cost-model.ts";
import type { Selection } from "../../src/selection/factors.ts";
import { place } from "../../src/selection/place.ts";

describe("a budget in words", () => {
  test.each([
    ["50%", { of: "macs", share: 0.5 }],
    ["12.5 %", { of: "macs", share: 0.125 }],
    ["40%-params", { of: "parameters", share: 0.4 }],
    ["20M-macs", { of: "macs", count: 20e6 }],
    ["0.5G-FLOPs", { of: "macs", count: 0.5e9 }],
    ["100k-params", { of: "parameters", count: 100e3 }],
    ["1234 parameters", { of: "parameters", count: 1234 }],
  ])("%s", (text, budget) => {
    expect(parseBudget(text)).toEqual(budget);
  });

  test.each([
    "",
    "half",
    "50",
    "20M",
    "-5%",
    "0%",
    "101%",
    "20M-watts",
    "5%%",
    "0-macs",
    "0.4-macs",
    `${"9".repeat(400)}-macs`,
    `${"9".repeat(400)}ms`,
  ])("not %o", (text) => {
    expect(() => parseBudget(text)).toThrow(expect.objectContaining({ code: "bad-option" }));
  });

  test("says the unit that it does not know, and what to write", () => {
    expect(() => parseBudget("20M-watts")).toThrow(/no unit "watts".*20M-macs/);
  });

  test("a budget is described in words", () => {
    expect(describeBudget(parseBudget("50%"))).toBe("50 % of the MACs");
    expect(describeBudget(parseBudget("100k-params"))).toBe("100,000 parameters");
  });
});

/** Weights with zeros at random, none where a guard keeps the last. */
function withRandomZeros(name: string, select: Selection, seed: number) {
  const { graph, factors } = place(model(name, { classes: 10 }), select);
  const weights = new Map(initialize(graph, 1));
  const random = new RandomStream(seed, "zeros", 0);
  const share = random.uniform();
  for (const { parameter, count, keepLast } of factors) {
    const data = Float32Array.from({ length: count }, (_, index) =>
      (keepLast && index === 0) || random.uniform() > share ? 1 : 0,
    );
    weights.set(parameter, tensor([count], data));
  }
  return { network: { graph, weights }, factors };
}

describe("the remaining cost equals the cost of the pruned network", () => {
  test.each<readonly [string, Selection]>([
    ["resnet-20", { neurons: 1, blocks: 1 }],
    ["resnet-20", { streams: 1, neurons: 1 }],
    ["resnext-20", { groups: 1, blocks: 1 }],
    ["mobilenet-v2-cifar", { neurons: 1, blocks: 1, streams: 1 }],
    ["vgg-16", { neurons: 1 }],
  ])("%s %o", (name, select) => {
    for (const seed of [1, 2, 3]) {
      const { network, factors } = withRandomZeros(name, select, seed);
      const exact = cost(compact(network).network.graph);
      for (const of of ["macs", "parameters"] as const) {
        const model = costModel(network.graph, factors, of);
        expect(model.whole).toBe(cost(network.graph)[of]);
        const { left } = model.remaining(zerosOf(factors, network.weights));
        expect(Math.abs(left - exact[of]) / model.whole, `${of}, seed ${seed}`).toBeLessThan(0.01);
      }
    }
  });

  test("removing and restoring structures in any order is exact", () => {
    const { graph, factors } = place(model("resnet-20", { classes: 10 }), { neurons: 1, blocks: 1, streams: 1 });
    const costs = costModel(graph, factors, "macs");
    const remaining = costs.remaining();
    const order = new RandomStream(1, "order", 0).permutation(factors.reduce((sum, { count }) => sum + count, 0));
    for (const structure of order) {
      const before = remaining.left;
      const gain = remaining.gain(structure);
      expect(remaining.left).toBe(before);
      remaining.remove(structure);
      expect(remaining.left).toBeCloseTo(before - gain, 3);
    }
    for (const structure of order) remaining.restore(structure);
    expect(remaining.left).toBeCloseTo(costs.whole, 3);
  });
});

describe("default kinds of structures", () => {
  const graph = model("resnet-20", { classes: 10 });

  test("are the paper's, at the same price for a MAC", () => {
    const select = budgetSelection(graph, { of: "macs", share: 0.5 });
    expect(Object.keys(select)).toEqual(["neurons", "blocks"]);
    expect(select.neurons).toBe(1);
    // A branch is all of its neurons and no more.
    expect(select.blocks).toBeCloseTo(336 / 9, 0);
  });

  test("include streams if the others cannot reach the budget", () => {
    const resnext = model("resnext-20", { classes: 10 });
    const few = budgetSelection(resnext, { of: "macs", share: 0.5 });
    expect(few.streams).toBeUndefined();
    const { graph: scaled, factors } = place(resnext, few);
    const least = smallestShare(scaled, factors, "macs");
    expect(budgetSelection(resnext, { of: "macs", share: least / 2 }).streams).toBeGreaterThan(0);
  });
});
