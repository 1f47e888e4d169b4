import { describe, expect, test } from "vitest";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { bake, fold } from "../../src/selection/fold.ts";
import { outputDifference, randomWeights } from "../pruning/networks.ts";

/** A graph of what `make` does to "images" [N,4,5,5]. */
function graphOf(make: (builder: GraphBuilder, images: string) => string | readonly string[]): Graph {
  const builder = new GraphBuilder("graph");
  const made = make(builder, builder.input("images", ["N", 4, 5, 5]));
  for (const output of typeof made === "string" ? [made] : made) builder.output(output);
  return builder.build();
}

const convolution = { channels: 6, kernel: 3, bias: true } as const;
const cases: Readonly<Record<string, Graph>> = {
  "convolution with bias": graphOf((b, x) => b.relu("r", b.scale("c.neuron", b.convolution("c", x, convolution), 6))),
  "convolution without bias": graphOf((b, x) =>
    b.relu("r", b.scale("c.neuron", b.convolution("c", x, { ...convolution, bias: false }), 6)),
  ),
  "groups behind a batch norm": graphOf((b, x) =>
    b.relu("r", b.scale("c.group", b.batchNormalization("n", b.convolution("c", x, convolution)), 3)),
  ),
  "neuron, then block": graphOf((b, x) => {
    const norm = b.batchNormalization("n", b.convolution("c", x, convolution));
    return b.relu("r", b.scale("a.block", b.scale("c.neuron", norm, 6), 1));
  }),
  linear: graphOf((b, x) => b.relu("r", b.scale("l.neuron", b.linear("l", b.flatten("f", x), 3), 3))),
  "an output": graphOf((b, x) => b.scale("c.neuron", b.batchNormalization("n", x), 4)),
  "two in a row, an output": graphOf((b, x) => b.scale("s2", b.scale("s1", b.batchNormalization("n", x), 4), 1)),
};

describe.each(Object.entries(cases))("%s", (_, graph) => {
  const network = { graph, weights: randomWeights(graph, 5) };

  test("fold moves the factors to the parameters and changes no output", () => {
    const folded = fold(graph);
    const scales = folded.nodes.filter((node) => node.op === "scale");
    expect(scales.length).toBeGreaterThan(0);
    expect(scales.every((node) => node.op === "scale" && node.attributes.axis === 0)).toBe(true);
    expect(folded.parameters).toEqual(graph.parameters);
    expect(folded.outputs).toEqual(graph.outputs);
    expect(outputDifference(network, { graph: folded, weights: network.weights })).toBeLessThan(1e-6);
  });

  test("bake leaves neither scale nodes nor factors, and changes no output", () => {
    const baked = bake(network);
    expect(baked.graph.nodes.map(({ op }) => op)).not.toContain("scale");
    expect(baked.graph.parameters).toEqual(graph.parameters.filter(({ kind }) => kind !== "factor"));
    expect([...baked.weights.keys()]).toEqual(baked.graph.parameters.map(({ name }) => name));
    expect(outputDifference(network, baked)).toBeLessThan(1e-6);
    expect(bake(baked)).toEqual(baked);
  });
});

test("a batch norm's scale and shift both take the factor", () => {
  const graph = graphOf((b, x) => b.relu("r", b.scale("n.neuron", b.batchNormalization("n", x), 4)));
  const weights = new Map<string, Tensor>(randomWeights(graph, 1))
    .set("n.scale", tensor([4], Float32Array.of(1, 2, 3, 4)))
    .set("n.shift", tensor([4], Float32Array.of(-1, 1, -1, 1)))
    .set("n.neuron.factor", tensor([4], Float32Array.of(0, 0.5, 1, 2)));
  const { weights: baked } = bake({ graph, weights });
  expect([...(baked.get("n.scale")?.data ?? [])]).toEqual([0, 1, 3, 8]);
  expect([...(baked.get("n.shift")?.data ?? [])]).toEqual([-0, 0.5, -1, 2]);
  expect(baked.get("n.running_mean")).toEqual(weights.get("n.running_mean"));
});

test("columns of a table take the factor behind a lookup, unless another lookup reads the table", () => {
  const graphWith = (isShared: boolean): Graph =>
    graphOf((b, x) => {
      const kind = b.input("kind", ["N", 2], "int64");
      const scaled = b.scale("t.neuron", b.lookup("t", kind, 3, 2), 2);
      const other = isShared ? [b.node("lookup", "u", [kind, "t.table"], { column: 1 })] : [];
      return b.linear("l", b.concatenation("j", [b.flatten("f", b.globalAveragePooling("p", x)), scaled, ...other]), 2);
    });
  const weightsOf = (graph: Graph): Map<string, Tensor> =>
    new Map<string, Tensor>(randomWeights(graph, 1))
      .set("t.table", tensor([3, 2], Float32Array.of(1, 2, 3, 4, 5, 6)))
      .set("t.neuron.factor", tensor([2], Float32Array.of(0, 0.5)));
  const alone = { graph: graphWith(false), weights: weightsOf(graphWith(false)) };
  const baked = bake(alone);
  expect([...(baked.weights.get("t.table")?.data ?? [])]).toEqual([0, 1, 0, 2, 0, 3]);
  expect(baked.graph.nodes.map(({ op }) => op)).not.toContain("scale");
  expect(outputDifference(alone, baked)).toBeLessThan(1e-6);
  const shared = { graph: graphWith(true), weights: weightsOf(graphWith(true)) };
  expect(bake(shared).weights.get("t.table")?.data).toEqual(shared.weights.get("t.table")?.data);
  expect(outputDifference(shared, bake(shared))).toBeLessThan(1e-6);
});

test("readers of the scale read the layer; the nodes of the fold are named after the scale", () => {
  const folded = fold(cases["neuron, then block"] ?? graphOf((_, x) => x));
  expect(folded.nodes.map(({ name }) => name)).toEqual([
    "c",
    "c.neuron.scale",
    "c.neuron.shift",
    "a.block.scale",
    "a.block.shift",
    "n",
    "r",
  ]);
  expect(folded.nodes.at(-1)?.inputs).toEqual(["n"]);
  expect(folded.nodes.at(-2)?.inputs.slice(0, 3)).toEqual(["c", "a.block.scale", "a.block.shift"]);
});

describe("a scale stays where it is", () => {
  const stays: Readonly<Record<string, Graph>> = {
    "behind no affine layer": graphOf((b, x) => b.scale("s", b.relu("r", x), 4)),
    "on an input": graphOf((b, x) => b.scale("s", x, 2)),
    "if something else reads the layer": graphOf((b, x) => {
      const norm = b.batchNormalization("n", x);
      return b.add("sum", b.scale("s", norm, 4), norm);
    }),
    "if the layer is an output": graphOf((b, x) => {
      const norm = b.batchNormalization("n", x);
      return [norm, b.scale("s", norm, 4)];
    }),
  };
  test.each(Object.entries(stays))("%s", (_, graph) => {
    expect(fold(graph)).toEqual(graph);
    const network = { graph, weights: randomWeights(graph, 2) };
    expect(bake(network)).toEqual(network);
  });
});

test("weights shared with a layer that is not scaled get a scaled twin", () => {
  const shared = graphOf((b, x) => {
    const first = b.scale("s", b.convolution("c1", x, { channels: 4, kernel: 1 }), 4);
    return b.node("convolution", "c2", [first, "c1.weights"], {
      strides: [1, 1],
      padding: { top: 0, left: 0, bottom: 0, right: 0 },
      dilation: [1, 1],
      groups: 1,
    });
  });
  const network = { graph: shared, weights: randomWeights(shared, 2) };
  const baked = bake(network);
  expect(baked.graph.parameters.map(({ name }) => name)).toEqual(["c1.weights", "s.weights"]);
  expect(outputDifference(network, baked)).toBeLessThan(1e-6);
});
