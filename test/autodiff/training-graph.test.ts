import { describe, expect, it } from "vitest";
import { stepNesterov } from "../../src/autodiff/nesterov.ts";
import { type TrainingGraphOptions, trainingGraph } from "../../src/autodiff/training-graph.ts";
import { required } from "../../src/core/errors.ts";
import { filled, tensor } from "../../src/core/tensor.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Node } from "../../src/graph/graph.ts";
import { inferShapes } from "../../src/graph/shapes.ts";
import { networkCases } from "../engine/cases.ts";
import { train } from "../engine/training-steps.ts";

const options: TrainingGraphOptions = {
  batch: 4,
  sgd: { momentum: 0.9, weightDecay: 5e-4 },
  factors: { momentum: 0.8, keepLast: new Set(["conv.neuron.factor"]) },
};

/** A factor on activations after the batch norm, and one on a block. */
function network(): Graph {
  const builder = new GraphBuilder("network");
  const src = builder.input("images", ["N", 4, 6, 6]);
  const first = builder.convolution("conv", src, { channels: 4, kernel: 3, padding: 1, bias: true });
  const scaled = builder.scale("conv.neuron", builder.batchNormalization("bn", first), 4);
  const block = builder.relu("relu", builder.add("sum", src, builder.scale("sum.block", scaled, 1)));
  builder.output(builder.linear("fc", builder.flatten("flat", builder.globalAveragePooling("pool", block)), 3));
  return builder.build();
}

function stepsOf(graph: Graph): Node[] {
  return graph.nodes.filter(({ op }) => op === "nesterov_sgd" || op === "accelerated_proximal_gradient");
}

describe("a training graph", () => {
  const forward = network();
  const graph = trainingGraph(forward, options);

  it("has the contract's inputs and outputs", () => {
    expect(graph.inputs).toEqual([
      { name: "images", dtype: "f32", shape: ["N", 4, 6, 6] },
      { name: "labels", dtype: "i32", shape: ["N"] },
      { name: "learning_rate", dtype: "f32", shape: [] },
      { name: "conv.neuron.factor.gamma", dtype: "f32", shape: [4] },
      { name: "sum.block.factor.gamma", dtype: "f32", shape: [1] },
    ]);
    expect(graph.outputs).toEqual(["loss", "correct"]);
  });

  it("is legal, and leaves the names of the forward part alone", () => {
    const shapes = inferShapes(graph, options.batch);
    for (const [value, shape] of inferShapes(forward, options.batch)) expect(shapes.get(value)).toEqual(shape);
    expect(new Set(graph.nodes.map(({ name }) => name)).size).toBe(graph.nodes.length);
  });

  it("steps λ by the proximal method only, and everything else that is trained by Nesterov only", () => {
    const steps = stepsOf(graph);
    for (const { name, kind } of forward.parameters) {
      const ops = steps.filter(({ inputs }) => inputs[0] === name).map(({ op }) => op);
      if (kind === "factor") expect(ops, name).toEqual(["accelerated_proximal_gradient"]);
      else if (kind.startsWith("running")) expect(ops, name).toEqual([]);
      else expect(ops, name).toEqual(["nesterov_sgd"]);
    }
  });

  it("writes every parameter once, from its own step, and every velocity back", () => {
    expect(graph.updates.map(({ parameter }) => parameter).toSorted()).toEqual(
      graph.parameters.map(({ name }) => name).toSorted(),
    );
    for (const { inputs, outputs } of stepsOf(graph)) {
      expect(graph.updates).toContainEqual({ parameter: inputs[0], value: outputs[0] });
      expect(graph.updates).toContainEqual({ parameter: inputs[2], value: outputs[1] });
      expect(graph.parameters).toContainEqual(expect.objectContaining({ name: inputs[2], kind: "velocity" }));
    }
  });

  it("lets weights and scales decay, biases and shifts not, factors neither", () => {
    const decay = Object.fromEntries(
      stepsOf(graph).map((node) => [
        node.inputs[0],
        node.op === "nesterov_sgd" ? node.attributes.weightDecay : undefined,
      ]),
    );
    expect(decay).toEqual({
      "conv.weights": 5e-4,
      "conv.bias": 0,
      "bn.scale": 5e-4,
      "bn.shift": 0,
      "conv.neuron.factor": undefined,
      "sum.block.factor": undefined,
      "fc.weights": 5e-4,
      "fc.bias": 0,
    });
  });

  it("keeps the last factor only where it is told to", () => {
    const factors = stepsOf(graph).filter(({ op }) => op === "accelerated_proximal_gradient");
    expect(factors.map(({ attributes }) => attributes)).toEqual([
      { momentum: 0.8, keepLast: true },
      { momentum: 0.8, keepLast: false },
    ]);
  });

  it("follows the batch's statistics, the variance corrected by n/(n − 1)", () => {
    const averages = graph.nodes.filter(({ op }) => op === "running_average");
    const size = 4 * 6 * 6;
    expect(averages).toMatchObject([
      { inputs: ["bn.running_mean", "bn.batch_mean"], attributes: { momentum: 0.1, correction: 1 } },
      { inputs: ["bn.running_variance", "bn.batch_variance"], attributes: { correction: size / (size - 1) } },
    ]);
  });

  it("leaves running statistics alone when they are frozen", () => {
    const frozen = trainingGraph(forward, { ...options, batchNormalization: "frozen" });
    const ops = frozen.nodes.map(({ op }) => op);
    expect(ops).toContain("batch_normalization_backward");
    expect(ops).not.toContain("batch_normalization_training");
    expect(frozen.updates.some(({ parameter }) => parameter.includes("running"))).toBe(false);
  });

  it("refuses a batch without a variance", () => {
    const builder = new GraphBuilder("features");
    builder.output(builder.batchNormalization("bn", builder.input("src", ["N", 3])));
    expect(() => trainingGraph(builder.build(), { ...options, batch: 1 })).toThrow(/no variance.*larger batch/s);
  });
});

describe("training steps", () => {
  it.each(networkCases)("lower the loss: $name", ({ graph: forward, batch, frozen }) => {
    const training = { forward, batch, batchNormalization: frozen ? "frozen" : "batch" } as const;
    const { losses } = train(createReferenceEngine(), training, 0, 1);
    // The same images again and again can be learnt by heart.
    let state = train(createReferenceEngine(), training, 0, 1).state;
    let last = Number.POSITIVE_INFINITY;
    for (let step = 0; step < 12; step++) {
      const next = train(createReferenceEngine(), training, 0, 1, { state });
      state = next.state;
      last = required(next.losses[0], "loss");
    }
    expect(last).toBeLessThan(0.8 * required(losses[0], "loss"));
  });

  it("move a weight by the formula", () => {
    const state = { weights: Float32Array.of(1), velocity: Float32Array.of(0.5) };
    stepNesterov(state, Float32Array.of(2), { learningRate: 0.1, momentum: 0.9, weightDecay: 0.25 });
    // d = 2 + 0.25·1; v' = 0.9·0.5 + d; w' = 1 − 0.1·(d + 0.9·v').
    expect(state.velocity[0]).toBeCloseTo(2.7, 6);
    expect(state.weights[0]).toBeCloseTo(1 - 0.1 * (2.25 + 0.9 * 2.7), 6);
  });

  it("leave a network at a gradient and a decay of zero where it is", () => {
    const graph = trainingGraph(network(), { ...options, sgd: { momentum: 0.9, weightDecay: 0 } });
    const plan = createReferenceEngine().prepare(graph, { batch: 4 });
    // All weights zero but the factors: every class is as likely, the images reach nothing but the last bias.
    plan.write(new Map([["conv.neuron.factor", filled([4], 1)]]));
    const results = plan.run({
      images: filled([4, 4, 6, 6], 1),
      labels: { dtype: "i32", shape: [4], data: Int32Array.of(0, 1, 2, 0) },
      learning_rate: tensor([], Float32Array.of(0.1)),
      "conv.neuron.factor.gamma": filled([4], 0),
      "sum.block.factor.gamma": filled([1], 0),
    });
    expect(results["loss"]?.data[0]).toBeCloseTo(Math.log(3), 6);
    const after = plan.read(["conv.weights", "conv.neuron.factor", "fc.bias"]);
    expect([...(after.get("conv.weights")?.data ?? [])].every((value) => value === 0)).toBe(true);
    expect([...(after.get("conv.neuron.factor")?.data ?? [])]).toEqual([1, 1, 1, 1]);
    // ∂loss/∂bias of class 0 is 1/3 − 2/4; one Nesterov step from rest is −η·(1 + μ)·g.
    expect(after.get("fc.bias")?.data[0]).toBeCloseTo(0.1 * 1.9 * (1 / 2 - 1 / 3), 6);
  });
});
