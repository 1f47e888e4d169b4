import { expect, test } from "vitest";
import { architectureOf } from "../../bench/shared/lost-control.ts";
import { tensor } from "../../src/core/tensor.ts";
import { cost } from "../../src/graph/cost.ts";
import { initialize } from "../../src/models/initialize.ts";
import { model } from "../../src/models/zoo.ts";
import { compact } from "../../src/pruning/compact.ts";
import { structureOf } from "../../src/report/structure.ts";
import { place } from "../../src/selection/place.ts";
import { summary } from "./summaries.ts";

/** A summary of ResNet-20 with every third neuron cut out of each layer. */
function cutResNet(): ReturnType<typeof summary> {
  const whole = model("resnet-20", { classes: 10 });
  const { graph, factors } = place(whole, { neurons: 1 });
  const weights = new Map(initialize(graph, 1));
  for (const { parameter, count } of factors) {
    const every = Float32Array.from({ length: count }, (_, index) => Math.min(1, index % 3));
    weights.set(parameter, tensor([count], every));
  }
  const left = compact({ graph, weights }).network.graph;
  const layers = structureOf(whole, left).layers.map(({ name, widthBefore, widthAfter, pixels }) => {
    return { name, before: widthBefore, after: widthAfter, pixels };
  });
  return { ...summary(), model: "resnet-20", layers, after: { accuracy: 90, ...cost(left) } };
}

test("what is left of a network is built anew from the widths of its layers", () => {
  const run = cutResNet();
  const graph = architectureOf(run);
  expect(cost(graph)).toMatchObject({ macs: run.after.macs, parameters: run.after.parameters });
  const rebuilt = structureOf(model("resnet-20", { classes: 10 }), graph).layers;
  expect(rebuilt.map(({ widthAfter }) => widthAfter)).toEqual(run.layers.map(({ after }) => after));
});

test("what the widths do not say is refused", () => {
  const run = cutResNet();
  const cheaper = { ...run, after: { ...run.after, macs: run.after.macs - 1 } };
  expect(() => architectureOf(cheaper)).toThrow(/more than neurons was pruned/);
});
