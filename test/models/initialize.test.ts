import { describe, expect, test } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { initialize } from "../../src/models/initialize.ts";
import { resnet } from "../../src/models/resnet.ts";
import { normal } from "../engine/random-data.ts";

function graphOf(extra: boolean) {
  const builder = new GraphBuilder("test");
  let value = builder.input("images", ["N", 8, 8, 8]);
  if (extra) value = builder.convolution("extra", value, { channels: 8, kernel: 1 });
  value = builder.convolution("conv", value, { channels: 64, kernel: 3, bias: true });
  value = builder.scale("conv.neuron", builder.batchNormalization("norm", value), 64);
  builder.output(builder.linear("classifier", builder.flatten("flat", value), 10));
  return builder.build();
}

/** A convolution from 3 to 40 channels. */
function startingAs(kind: "uniform" | "identity") {
  const builder = new GraphBuilder("test");
  const src = builder.input("images", ["N", 3, 5, 4]);
  builder.output(
    builder.convolution("conv", src, { channels: 40, kernel: 3, padding: 1, weights: { initial: { kind } } }),
  );
  return builder.build();
}

describe("initial values", () => {
  const weights = initialize(graphOf(false), 3);

  test("weights have mean 0 and variance 2 / fan-in", () => {
    for (const [name, fanIn] of [
      ["conv.weights", 8 * 9],
      ["classifier.weights", 64 * 36],
    ] as const) {
      const values = weights.get(name)?.data ?? new Float32Array();
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      expect(Math.abs(mean)).toBeLessThan((4 * Math.sqrt(2 / fanIn)) / Math.sqrt(values.length));
      expect(variance * (fanIn / 2)).toBeGreaterThan(0.93);
      expect(variance * (fanIn / 2)).toBeLessThan(1.07);
    }
  });

  test("everything else starts at its constant", () => {
    const constants = {
      "conv.bias": 0,
      "norm.scale": 1,
      "norm.shift": 0,
      "norm.running_mean": 0,
      "norm.running_variance": 1,
      "conv.neuron.factor": 1,
      "classifier.bias": 0,
    };
    for (const [name, constant] of Object.entries(constants)) {
      expect(new Set(weights.get(name)?.data)).toEqual(new Set([constant]));
    }
  });

  test("depends on the seed and the parameter's name, not on the other parameters", () => {
    const more = initialize(graphOf(true), 3);
    expect(more.get("conv.weights")).toEqual(weights.get("conv.weights"));
    expect(initialize(graphOf(false), 4).get("conv.weights")).not.toEqual(weights.get("conv.weights"));
    const resnetWeights = initialize(resnet({ depth: 20, classes: 10 }), 1);
    const [a, b] = ["stage1.block1.conv1.weights", "stage1.block1.conv2.weights"].map((name) =>
      resnetWeights.get(name),
    );
    expect(a).not.toEqual(b);
  });

  test("uniform weights lie between ±1/√fan-in", () => {
    const values = initialize(startingAs("uniform"), 3).get("conv.weights")?.data ?? new Float32Array();
    const bound = 1 / Math.sqrt(3 * 9);
    const [smallest, largest] = [Math.min(...values), Math.max(...values)];
    expect(Math.max(-smallest, largest)).toBeLessThanOrEqual(bound);
    expect(Math.min(-smallest, largest)).toBeGreaterThan(0.95 * bound);
    const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
    expect(variance / (bound ** 2 / 3)).toBeGreaterThan(0.9);
    expect(variance / (bound ** 2 / 3)).toBeLessThan(1.1);
  });

  test("identity: the first channels copy the images, the others are those of a uniform start", () => {
    const graph = startingAs("identity");
    const initial = initialize(graph, 3);
    const uniform = initialize(startingAs("uniform"), 3);
    const images = normal([2, 3, 5, 4], 1, "images");
    const plan = createReferenceEngine().prepare(graph, { batch: 2 });
    plan.write(initial);
    const answers = plan.run({ images })["conv"]?.data ?? new Float32Array();
    const size = 5 * 4;
    for (let image = 0; image < 2; image++) {
      for (let at = 0; at < 3 * size; at++) {
        expect(answers[image * 40 * size + at]).toBe(images.data[image * 3 * size + at]);
      }
    }
    const copied = 3 * 3 * 9;
    expect(initial.get("conv.weights")?.data.slice(copied)).toEqual(uniform.get("conv.weights")?.data.slice(copied));
  });

  test("every parameter gets a value of its shape", () => {
    const graph = resnet({ depth: 20, classes: 10, shortcut: "B" });
    const values = initialize(graph, 1);
    expect([...values].map(([name, { shape }]) => [name, shape])).toEqual(
      graph.parameters.map(({ name, shape }) => [name, shape]),
    );
  });
});
