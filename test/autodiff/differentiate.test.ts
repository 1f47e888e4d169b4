import { describe, expect, it } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { gradientGraph } from "../../src/autodiff/gradient-graph.ts";
import { UserError } from "../../src/core/errors.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { inferShapes } from "../../src/graph/shapes.ts";

/** conv1 → relu1 → (conv2, conv3) → their sum → relu2; what reads relu1 twice is `sum`. */
function diamond(): Graph {
  const builder = new GraphBuilder("diamond");
  const first = builder.relu(
    "relu1",
    builder.convolution("conv1", builder.input("images", ["N", 3, 4, 4]), { channels: 2, kernel: 1 }),
  );
  const left = builder.convolution("conv2", first, { channels: 2, kernel: 3, padding: 1 });
  const right = builder.convolution("conv3", first, { channels: 2, kernel: 1 });
  builder.output(builder.relu("relu2", builder.add("sum", left, right)));
  return builder.build();
}

const weights = new Set(["conv1.weights", "conv2.weights", "conv3.weights"]);

describe("the reverse walk", () => {
  it("computes each gradient once, in order, and none that leads to no parameter", () => {
    const { nodes, gradients } = differentiate(diamond(), new Map([["relu2", "seed"]]), weights);
    expect(nodes.map(({ name, op }) => `${name}: ${op}`)).toEqual([
      "relu2.backward: relu_backward",
      "conv3.backward_weights: convolution_backward_weights",
      "conv3.backward_data: convolution_backward_data",
      "conv2.backward_weights: convolution_backward_weights",
      "conv2.backward_data: convolution_backward_data",
      "relu1.diff: add",
      "relu1.backward: relu_backward",
      "conv1.backward_weights: convolution_backward_weights",
    ]);
    expect(Object.fromEntries(gradients)).toEqual({
      "conv1.weights": "conv1.weights.diff",
      "conv2.weights": "conv2.weights.diff",
      "conv3.weights": "conv3.weights.diff",
    });
  });

  it("adds up what several readers contribute, and hands an addition's gradient on without a copy", () => {
    const { nodes } = differentiate(diamond(), new Map([["relu2", "seed"]]), weights);
    const node = (name: string): readonly string[] => nodes.find((each) => each.name === name)?.inputs ?? [];
    expect(node("relu1.diff")).toEqual(["relu1.diff.0", "relu1.diff.1"]);
    expect(node("conv2.backward_weights")).toEqual(["relu1", "sum.diff"]);
    expect(node("conv3.backward_weights")).toEqual(["relu1", "sum.diff"]);
  });

  it("stops where nothing earlier is trained", () => {
    const { nodes, gradients } = differentiate(diamond(), new Map([["relu2", "seed"]]), new Set(["conv3.weights"]));
    expect(nodes.map(({ name }) => name)).toEqual(["relu2.backward", "conv3.backward_weights"]);
    expect([...gradients.keys()]).toEqual(["conv3.weights"]);
  });

  it("goes on to the input if its gradient is asked for", () => {
    const { gradients } = differentiate(diamond(), new Map([["relu2", "seed"]]), new Set(["images"]));
    expect(Object.fromEntries(gradients)).toEqual({ images: "images.diff" });
  });

  it("ignores nodes that do not lead to a seeded value", () => {
    const graph = diamond();
    const { nodes } = differentiate(graph, new Map([["conv2", "seed"]]), weights);
    expect(nodes.map(({ name }) => name)).toEqual([
      "conv2.backward_weights",
      "conv2.backward_data",
      "relu1.backward",
      "conv1.backward_weights",
    ]);
  });

  it("sums three contributions pairwise as they come", () => {
    const builder = new GraphBuilder("three");
    const src = builder.input("src", ["N", 2]);
    const value = builder.linear("value", src, 2);
    builder.output(builder.add("all", builder.add("two", value, value), value));
    const { nodes } = differentiate(builder.build(), new Map([["all", "seed"]]), new Set(["value.weights"]));
    expect(nodes.map(({ name, inputs }) => [name, ...inputs])).toEqual([
      ["value.diff.sum2", "seed", "seed"],
      ["value.diff", "value.diff.sum2", "seed"],
      ["value.backward_weights", "src", "value.diff"],
    ]);
  });

  it("computes the gradient of the bias with that of the weights, in one node, if it is wanted", () => {
    const builder = new GraphBuilder("bias");
    builder.output(builder.linear("fc", builder.input("src", ["N", 2]), 3));
    const graph = builder.build();
    const seeds = new Map([["fc", "seed"]]);
    const both = differentiate(graph, seeds, new Set(["fc.weights", "fc.bias"])).nodes;
    expect(both).toMatchObject([{ outputs: ["fc.weights.diff", "fc.bias.diff"], attributes: { withBias: true } }]);
    const one = differentiate(graph, seeds, new Set(["fc.weights"])).nodes;
    expect(one).toMatchObject([{ outputs: ["fc.weights.diff"], attributes: { withBias: false } }]);
  });
});

describe("a gradient graph", () => {
  function network(): GraphBuilder {
    const builder = new GraphBuilder("network");
    const src = builder.flatten(
      "flat",
      builder.relu("relu", builder.batchNormalization("bn", builder.input("src", ["N", 2, 2, 2]))),
    );
    builder.output(builder.linear("fc", src, 3));
    return builder;
  }

  it("has the loss and one gradient a trained parameter, of its shape", () => {
    const forward = network().build();
    const graph = gradientGraph(forward, { inputs: true });
    expect(graph.outputs).toEqual([
      "loss",
      "bn.scale.diff",
      "bn.shift.diff",
      "fc.weights.diff",
      "fc.bias.diff",
      "src.diff",
    ]);
    for (const batch of [1, 5]) {
      const shapes = inferShapes(graph, batch);
      for (const { name, shape, kind } of forward.parameters) {
        if (!kind.startsWith("running")) expect(shapes.get(`${name}.diff`)).toEqual(shape);
      }
      expect(shapes.get("src.diff")).toEqual([batch, 2, 2, 2]);
    }
  });

  it("normalises by the batch, or by running statistics if these are frozen", () => {
    const ops = (graph: Graph): string[] => graph.nodes.map(({ op }) => op).filter((op) => op.startsWith("batch"));
    expect(ops(gradientGraph(network().build()))).toEqual([
      "batch_normalization_training",
      "batch_normalization_training_backward",
    ]);
    expect(ops(gradientGraph(network().build(), { batchNormalization: "frozen" }))).toEqual([
      "batch_normalization",
      "batch_normalization_backward",
    ]);
  });

  it("refuses a parameter that does nothing, and a network without logits", () => {
    const builder = network();
    builder.relu("lost", builder.scale("idle", "relu", 2));
    expect(() => gradientGraph(builder.build())).toThrow(UserError);
    expect(() => gradientGraph(builder.build())).toThrow(/"idle.factor".*no influence on the output/);
    const images = new GraphBuilder("images");
    images.output(images.relu("relu", images.input("src", ["N", 2, 2, 2])));
    expect(() => gradientGraph(images.build())).toThrow(/one output, the logits/);
    const two = network();
    two.output("flat");
    expect(() => gradientGraph(two.build())).toThrow(/2 outputs/);
  });
});
