import { describe, expect, test } from "vitest";
import { uniformNetwork } from "../../src/experiments/uniform-network.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { model } from "../../src/models/zoo.ts";

const layersOf = (graph: Graph): ReadonlyMap<string, number> =>
  new Map(
    graph.nodes.flatMap((node) => {
      if (node.op !== "convolution" && node.op !== "linear") return [];
      const [, weights = ""] = node.inputs;
      const shape = graph.parameters.find(({ name }) => name === weights)?.shape ?? [];
      return [[node.name, shape[0] ?? 0] as const];
    }),
  );

describe("uniformNetwork", () => {
  test.each([
    ["resnet-20", 0.5, 0.03],
    ["resnet-20", 0.3, 0.03],
    ["vgg-16", 0.4, 0.01],
    ["resnext-20", 0.5, 0.05],
    ["mobilenet-v2-cifar", 0.5, 0.03],
    ["densenet-40", 0.5, 0.05],
  ])("%s at %f of its MACs: every layer by one number", (name, share, tolerance) => {
    const graph = model(name);
    const thinner = uniformNetwork(graph, share * cost(graph).macs);
    expect(Math.abs(cost(thinner).macs / cost(graph).macs - share)).toBeLessThan(tolerance);
    const [before, after] = [layersOf(graph), layersOf(thinner)];
    expect([...after.keys()]).toEqual([...before.keys()]);
    const classifier = [...before.keys()].at(-1) ?? "";
    expect(after.get(classifier)).toBe(before.get(classifier));
    const times = Math.sqrt(share);
    for (const [layer, width] of before) {
      if (layer === classifier) continue;
      expect(Math.abs((after.get(layer) ?? 0) / width - times), layer).toBeLessThan(1 / width + 0.12);
    }
  });

  test("the network itself for all of its MACs", () => {
    const graph = model("resnet-20");
    expect(cost(uniformNetwork(graph, cost(graph).macs))).toEqual(cost(graph));
  });
});
