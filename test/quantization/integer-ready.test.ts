/** A network that is rewritten for integers computes what it computed before. */
import { describe, expect, test } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Network } from "../../src/graph/graph.ts";
import { withInputs, withoutDeadNodes } from "../../src/graph/rewrite.ts";
import { bindBatch } from "../../src/graph/shapes.ts";
import { model } from "../../src/models/zoo.ts";
import { integerReady } from "../../src/quantization/integer-ready.ts";
import { place } from "../../src/selection/place.ts";
import { normal, randomWeights, relativeDifference } from "../engine/random-data.ts";
import { networks } from "./networks.ts";

function outputOf({ graph, weights }: Network): Float32Array {
  const [input] = graph.inputs;
  const plan = createReferenceEngine().prepare(graph, { batch: 2 });
  plan.write(weights);
  const images = normal(bindBatch(input?.shape ?? [], 2), 3, "images");
  return plan.run({ [input?.name ?? ""]: images })[graph.outputs[0] ?? ""]?.data ?? new Float32Array();
}

function expectSame(graph: Graph): Network {
  const before = { graph, weights: randomWeights(graph, 7) };
  const after = integerReady(before);
  expect(after.graph.outputs).toEqual(graph.outputs);
  expect(relativeDifference(outputOf(after), outputOf(before))).toBeLessThan(2e-5);
  return after;
}

describe("integerReady", () => {
  test.each(networks.map((graph) => [graph.name, graph] as const))("changes nothing in %s", (_, graph) => {
    const { nodes } = expectSame(graph).graph;
    const ops = new Set(nodes.map(({ op }) => op));
    for (const op of ["batch_normalization", "pad", "gain", "scale"]) expect(ops).not.toContain(op);
  });

  test("folds the factors of a network that is being pruned", () => {
    const { graph } = place(model("resnet-20", { classes: 10, size: 8 }), { neurons: 0, blocks: 0 });
    expect(expectSame(graph).graph.nodes.filter(({ op }) => op === "scale")).toEqual([]);
  });

  test("a shortcut that grows is one convolution with the stride of its slice", () => {
    const graph = networks.find(({ name }) => name === "growing-residual");
    if (graph === undefined) throw new Error("no such network");
    const after = integerReady({ graph, weights: randomWeights(graph, 7) });
    const shortcut = after.graph.nodes.find(({ name }) => name === "channels");
    expect(shortcut).toMatchObject({ op: "convolution", attributes: { strides: [2, 2] } });
    // Channel c of 4 becomes channel 2 + c of 8.
    const expected = Array.from({ length: 32 }, (_, at) => (Math.floor(at / 4) === 2 + (at % 4) ? 1 : 0));
    expect([...(after.weights.get(shortcut?.inputs[1] ?? "")?.data ?? [])]).toEqual(expected);
    expect(after.graph.nodes.some(({ op }) => op === "slice")).toBe(false);
  });

  test("layers that share weights get weights of their own", () => {
    const builder = new GraphBuilder("shared");
    let value = builder.input("images", ["N", 3, 8, 8]);
    for (const name of ["a", "b"]) {
      value = builder.convolution(name, value, { channels: 3, kernel: 3, padding: 1 });
      value = builder.batchNormalization(`${name}.norm`, value);
    }
    builder.output(value);
    const graph = builder.build();
    const ofA = new Map([["b.weights", "a.weights"]]);
    const shared = withoutDeadNodes({ ...graph, nodes: graph.nodes.map((node) => withInputs(node, ofA)) });
    const names = expectSame(shared).graph.nodes.map(({ inputs }) => inputs[1]);
    expect(new Set(names).size).toBe(2);
  });
});
