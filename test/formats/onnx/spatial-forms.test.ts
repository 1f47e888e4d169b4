/** Forms of ops over images, each with the outputs of ONNX Runtime, or refused by the node's name. */
import { describe, expect, test } from "vitest";
import { UserError } from "../../../src/core/errors.ts";
import { attributeMessage, type NodeMessage } from "../../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { expectRight } from "./expect-right.ts";
import { floats, type ModelParts, node, onnxModel } from "./models.ts";

type Values = Readonly<Record<string, Parameters<typeof attributeMessage>[1]>>;

const attributes = (values: Values): NodeMessage["attribute"] =>
  Object.entries(values).map(([name, value]) => attributeMessage(name, value));

/** Numbers that differ from one another, of both signs. */
function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.sin(index * 1.7 + 0.3));
}

function counted(name: string, dims: readonly number[]): ReturnType<typeof floats> {
  return floats(name, numbers(dims.reduce((product, size) => product * size, 1)), dims);
}

/** A transposed convolution of 4 channels by `weights`, on images of 5 × 4. */
function transposed(weights: readonly number[], values: Values, bias = false): ModelParts {
  const group = typeof values["group"] === "number" ? values["group"] : 1;
  return {
    features: [4, 5, 4],
    tensors: [counted("weights", weights), ...(bias ? [counted("bias", [(weights[1] ?? 0) * group])] : [])],
    nodes: [node("ConvTranspose", bias ? ["x", "weights", "bias"] : ["x", "weights"], "y", attributes(values))],
  };
}

const right: readonly (readonly [name: string, parts: ModelParts])[] = [
  ["a transposed convolution without attributes", transposed([4, 3, 2, 3], {})],
  ["one that doubles", transposed([4, 3, 2, 2], { strides: [2, 2], kernel_shape: [2, 2] }, true)],
  [
    "one with output padding",
    transposed([4, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] }, true),
  ],
  ["one in groups, with dilations", transposed([4, 3, 3, 3], { group: 2, dilations: [2, 1], strides: [1, 2] }, true)],
  ["a depthwise one", transposed([4, 1, 4, 4], { group: 4, strides: [2, 2], pads: [1, 1, 1, 1] })],
  ["one that names its output", transposed([4, 3, 3, 3], { strides: [2, 2], output_shape: [10, 8] })],
  ["one with more padding above", transposed([4, 3, 4, 4], { strides: [2, 2], auto_pad: "SAME_LOWER" })],
  ["one with more padding below", transposed([4, 3, 3, 4], { strides: [2, 3], auto_pad: "SAME_UPPER" })],
  ["one with padding on one side", transposed([4, 3, 3, 3], { pads: [0, 2, 1, 0], strides: [1, 2] })],
  ["one without padding", transposed([4, 3, 3, 3], { auto_pad: "VALID" })],
];

describe("forms with the outputs of ONNX Runtime", () => {
  test.each(right)("%s", async (_, parts) => {
    await expectRight(parts);
  });
});

const refused: readonly (readonly [name: string, parts: ModelParts, reason: RegExp])[] = [
  [
    "a transposed convolution whose weights are computed",
    { features: [4, 5, 4], nodes: [node("ConvTranspose", ["x", "x"], "y")] },
    /its weights must be a constant/,
  ],
  ["one of uneven groups", transposed([4, 3, 2, 2], { group: 3 }), /its groups do not divide the channels/],
  ["one with output padding of a stride", transposed([4, 3, 2, 2], { output_padding: [1, 0] }), /output padding/],
  ["one with unknown padding", transposed([4, 3, 2, 2], { auto_pad: "SAME" }), /auto_pad is not known/],
];

describe("forms that are refused", () => {
  test.each(refused)("%s", (_, parts, reason) => {
    const read = (): unknown => readOnnx(onnxModel(parts), "form.onnx");
    expect(read).toThrow(UserError);
    expect(read).toThrow(reason);
  });
});
