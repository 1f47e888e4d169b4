import { describe, expect, it } from "vitest";
import { trainingGraph } from "../../../src/autodiff/training-graph.ts";
import { gatherVectors } from "../../../src/engine/onednn/planner/order.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import { inferShapes } from "../../../src/graph/shapes.ts";
import { resnet } from "../../../src/models/resnet.ts";
import { keptFactors } from "../../../src/selection/factors.ts";
import { fold } from "../../../src/selection/fold.ts";
import { place } from "../../../src/selection/place.ts";

const BATCH = 2;

function stepOf(select: Parameters<typeof place>[1]): Graph {
  const { graph, factors } = place(resnet({ depth: 20, classes: 10 }), select);
  return trainingGraph(fold(graph), {
    batch: BATCH,
    sgd: { momentum: 0.9, weightDecay: 5e-4 },
    factors: { momentum: 0.9, ...keptFactors(factors) },
  });
}

function gathered(graph: Graph): Graph {
  return gatherVectors(graph, inferShapes(graph, BATCH));
}

describe("the order of steps", () => {
  const step = stepOf({ neurons: 0.01, blocks: 0.01 });

  it("keeps every node, and every value is made before it is read", () => {
    const ordered = gathered(step);
    expect(new Set(ordered.nodes)).toEqual(new Set(step.nodes));
    expect(ordered.nodes).toHaveLength(step.nodes.length);
    const made = new Set([...step.inputs, ...step.parameters].map(({ name }) => name));
    for (const { inputs, outputs } of ordered.nodes) {
      for (const input of inputs) expect(made).toContain(input);
      for (const output of outputs) made.add(output);
    }
  });

  it("begins with the fold's products, and their gradients come just before the updates", () => {
    const { nodes } = gathered(step);
    const ops = nodes.map(({ op }) => op);
    const products = ops.indexOf("convolution");
    expect(new Set(ops.slice(0, products))).toEqual(new Set(["scale"]));
    const firstUpdate = ops.indexOf("running_average");
    const lastConvolution = ops.lastIndexOf("convolution_backward_weights");
    expect(ops.slice(0, lastConvolution)).not.toContain("scale_backward_factor");
    expect(new Set(ops.slice(lastConvolution + 1, firstUpdate))).toContain("scale_backward_factor");
    // What updates reads what was there before any of them wrote.
    expect(nodes.slice(firstUpdate)).toEqual(
      step.nodes.slice(step.nodes.findIndex(({ op }) => op === "running_average")),
    );
  });

  it("of a network without factors or updates is as it was", () => {
    const plain = stepOf({});
    expect(gathered(plain).nodes).toEqual(plain.nodes);
    const inference = resnet({ depth: 20, classes: 10 });
    expect(gathered(inference).nodes).toEqual(inference.nodes);
  });
});
