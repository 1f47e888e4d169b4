import { describe, expect, test } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";

function builderWithImages(): [GraphBuilder, string] {
  const builder = new GraphBuilder("g");
  return [builder, builder.input("images", ["N", 4, 8, 8])];
}

describe("the builder", () => {
  test("writes nodes in order, named with their parameters", () => {
    const [builder, src] = builderWithImages();
    const conv = builder.convolution("conv", src, {
      channels: 6,
      kernel: [3, 1],
      strides: 2,
      padding: 1,
      groups: 2,
      bias: true,
    });
    builder.output(builder.batchNormalization("norm", conv));
    expect(builder.build()).toEqual({
      name: "g",
      inputs: [{ name: "images", dtype: "f32", shape: ["N", 4, 8, 8] }],
      parameters: [
        { name: "conv.weights", shape: [6, 2, 3, 1], kind: "weights" },
        { name: "conv.bias", shape: [6], kind: "bias" },
        { name: "norm.scale", shape: [6], kind: "scale" },
        { name: "norm.shift", shape: [6], kind: "shift" },
        { name: "norm.running_mean", shape: [6], kind: "running_mean" },
        { name: "norm.running_variance", shape: [6], kind: "running_variance" },
      ],
      nodes: [
        {
          op: "convolution",
          name: "conv",
          inputs: ["images", "conv.weights", "conv.bias"],
          outputs: ["conv"],
          attributes: {
            strides: [2, 2],
            padding: { top: 1, left: 1, bottom: 1, right: 1 },
            dilation: [1, 1],
            groups: 2,
          },
        },
        {
          op: "batch_normalization",
          name: "norm",
          inputs: ["conv", "norm.scale", "norm.shift", "norm.running_mean", "norm.running_variance"],
          outputs: ["norm"],
          attributes: { epsilon: 1e-5, momentum: 0.1 },
        },
      ],
      outputs: ["norm"],
      updates: [],
    });
  });

  test("says of parameters how they start, and which of them are frozen", () => {
    const [builder, src] = builderWithImages();
    const conv = builder.convolution("conv", src, {
      ...{ channels: 4, kernel: 1 },
      weights: { initial: { kind: "whitening", epsilon: 0.01 }, isFrozen: true },
    });
    const norm = builder.batchNormalization("norm", conv, { epsilon: 0, momentum: 0.4, isScaleFrozen: true });
    const flat = builder.flatten("flat", norm);
    builder.linear("fc", flat, 2, { bias: false, weights: { initial: { kind: "uniform" }, isFrozen: false } });
    expect(builder.build().parameters).toEqual([
      {
        name: "conv.weights",
        shape: [4, 4, 1, 1],
        kind: "weights",
        initial: { kind: "whitening", epsilon: 0.01 },
        isFrozen: true,
      },
      { name: "norm.scale", shape: [4], kind: "scale", isFrozen: true },
      { name: "norm.shift", shape: [4], kind: "shift" },
      { name: "norm.running_mean", shape: [4], kind: "running_mean" },
      { name: "norm.running_variance", shape: [4], kind: "running_variance" },
      { name: "fc.weights", shape: [2, 256], kind: "weights", initial: { kind: "uniform" } },
    ]);
  });

  test.each<readonly [string, object, RegExp]>([
    ["a flag that is a number", { isFrozen: 1 }, /"options\.weights\.isFrozen"/],
    ["a start without a kind", { initial: {} }, /"options\.weights\.initial\.kind"/],
    ["an unknown start", { initial: { kind: "dirac" } }, /"normal", "uniform", "identity", "whitening"/],
    ["whitening without ε", { initial: { kind: "whitening" } }, /"options\.weights\.initial\.epsilon"/],
  ])("refuses %s", (_, weights, message) => {
    const [builder, src] = builderWithImages();
    expect(() => builder.convolution("conv", src, { channels: 2, kernel: 1, weights })).toThrow(message);
  });

  test("a pooling's strides are its kernel unless given", () => {
    const [builder, src] = builderWithImages();
    expect(builder.shape(builder.maxPooling("a", src, { kernel: 2 }))).toEqual([1, 4, 4, 4]);
    expect(builder.shape(builder.averagePooling("b", src, { kernel: 3, strides: 1, padding: 1 }))).toEqual([
      1, 4, 8, 8,
    ]);
  });

  test("subsampling keeps the batch open", () => {
    const [builder, src] = builderWithImages();
    builder.output(builder.subsample("sub", src, 2));
    expect(builder.build().nodes[0]?.attributes).toEqual({
      starts: [0, 0, 0, 0],
      ends: ["N", 4, 8, 8],
      steps: [1, 1, 2, 2],
    });
  });

  test("a linear layer without bias, a bias, a pad and factors", () => {
    const [builder, src] = builderWithImages();
    const moved = builder.scale(
      "scaled",
      builder.bias("moved", builder.pad("wide", src, [0, 1, 0, 0], [0, 1, 0, 0])),
      3,
    );
    builder.linear("classifier", builder.flatten("flat", moved), 5, { bias: false });
    expect(builder.build().parameters).toEqual([
      { name: "moved.bias", shape: [6], kind: "bias" },
      { name: "scaled.factor", shape: [3], kind: "factor" },
      { name: "classifier.weights", shape: [5, 384], kind: "weights" },
    ]);
  });

  test("refuses groups that do not divide, shapes that do not fit, and names used twice", () => {
    const [builder, src] = builderWithImages();
    expect(() => builder.convolution("c", src, { channels: 6, kernel: 3, groups: 3 })).toThrow(UserError);
    expect(() => builder.add("sum", src, builder.maxPooling("pool", src, { kernel: 2 }))).toThrow(/add "sum"/);
    builder.relu("relu", src);
    expect(() => builder.relu("relu", src)).toThrow(/two values are named "relu"/);
    expect(() => builder.output("nothing")).toThrow(/unknown value "nothing"/);
  });
});
