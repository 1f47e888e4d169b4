/**
 * Forms of ops that combine values and constants, reduce axes, or normalise: each gives the outputs of ONNX Runtime, or
 * is refused by the node's name.
 */
import { describe, expect, test } from "vitest";
import type { TensorMessage } from "../../../src/formats/onnx/proto.ts";
import type { OpName } from "../../../src/graph/ops.ts";
import { expectRight, type RefusedForm, testRefusals } from "./expect-right.ts";
import { attributes, counted, floats, integers, type ModelParts, node } from "./models.ts";

function booleans(name: string, values: readonly number[], dims: readonly number[]): TensorMessage {
  return { name, dataType: 9, dims: [...dims], int32Data: [...values] };
}

const image = [4, 3, 5];
const mean = node("GlobalAveragePool", ["x"], "mean");

/** A node "y" of `opType` that reads the image and constants of `shapes`. */
function withConstants(opType: string, shapes: readonly (readonly number[])[], opset = 17): ModelParts {
  const tensors = shapes.map((dims, index) => counted(`c${index}`, dims));
  return {
    features: image,
    opset,
    tensors,
    nodes: [node(opType, ["x", ...tensors.map(({ name = "" }) => name ?? "")], "y")],
  };
}

function reduced(opType: string, axes: readonly number[], keepdims: number, opset = 17): ModelParts {
  const isInput = opset >= 18 || opType === "ReduceSum";
  const given = attributes({ keepdims, ...(isInput ? {} : { axes }) });
  return {
    ...{ features: image, opset },
    tensors: isInput ? [integers("axes", axes)] : [],
    nodes: [node(opType, isInput ? ["x", "axes"] : ["x"], "y", given)],
  };
}

/** A layer norm over `axis` in small ops, as PyTorch writes it, with a scale and a shift for the last axis. */
function writtenOut(axis: number, square: "Mul" | "Pow"): ModelParts {
  const over = attributes({ axes: [axis] });
  return {
    features: image,
    tensors: [floats("two", [2], []), floats("epsilon", [1e-3], []), counted("scale", [5]), counted("shift", [5])],
    nodes: [
      node("ReduceMean", ["x"], "mean", over),
      node("Sub", ["x", "mean"], "centred"),
      node(square, square === "Mul" ? ["centred", "centred"] : ["centred", "two"], "squares"),
      node("ReduceMean", ["squares"], "variance", over),
      node("Add", ["variance", "epsilon"], "raised"),
      node("Sqrt", ["raised"], "deviation"),
      node("Div", ["centred", "deviation"], "normal"),
      node("Mul", ["normal", "scale"], "scaled"),
      node("Add", ["scaled", "shift"], "y"),
    ],
  };
}

type Form = readonly [name: string, parts: ModelParts, ops?: readonly OpName[]];

/** A root mean square norm of images with `scale`, over the axes from `axis` on. */
function rootMeanSquare(axis: number, scale: readonly number[], epsilon?: number): ModelParts {
  const given = attributes({ axis, ...(epsilon === undefined ? {} : { epsilon: { float: epsilon } }) });
  return {
    ...{ features: image, opset: 23 },
    tensors: [counted("scale", scale)],
    nodes: [node("RMSNormalization", ["x", "scale"], "y", given)],
  };
}

/** x · sigmoid(αx) of images. */
function swish(alpha: number): ModelParts {
  return {
    ...{ features: image, opset: 24 },
    nodes: [node("Swish", ["x"], "y", attributes({ alpha: { float: alpha } }))],
  };
}

const right: readonly Form[] = [
  ["a root mean square norm of columns", rootMeanSquare(-1, [5])],
  ["a root mean square norm of pixels", rootMeanSquare(-2, [3, 5], 0.1)],
  ["a swish", swish(1)],
  ["a steep swish", swish(1.7)],
  ["the logarithm of a sum of exponentials", reduced("ReduceLogSumExp", [1], 1)],
  ["the logarithm of a sum of exponentials, opset 18", reduced("ReduceLogSumExp", [-2, -1], 0, 18)],
  [
    "the logarithm of a sum",
    {
      ...reduced("ReduceLogSum", [1, 2], 1),
      nodes: [node("Abs", ["x"], "a"), node("ReduceLogSum", ["a"], "y", attributes({ keepdims: 1, axes: [1, 2] }))],
    },
  ],
  [
    "one number an image, of a layer that has lost channels",
    {
      features: image,
      tensors: [floats("weights", [0.5, -1, 0, 0, 2, 0.3, 0.7, 1, 0, 0, 0, 0], [3, 4, 1, 1])],
      nodes: [
        node("Conv", ["x", "weights"], "layer"),
        node("Sigmoid", ["layer"], "open"),
        node("ReduceMean", ["open"], "number", attributes({ axes: [1, 2, 3], keepdims: 0 })),
        node("Relu", ["number"], "y"),
      ],
    },
    ["convolution", "activation", "reduction", "relu"],
  ],
  [
    "a layer norm of one number's scale and shift, over images of one pixel",
    {
      features: [4, 1, 1],
      tensors: [floats("scale", [0.8], [1, 1]), floats("shift", [0.2], [1, 1])],
      nodes: [node("LayerNormalization", ["x", "scale", "shift"], "y", attributes({ axis: 2 }))],
    },
    ["normalization", "activation", "activation"],
  ],
  [
    "a sum of one value",
    { features: image, nodes: [node("Sum", ["x"], "same"), node("Relu", ["same"], "y")] },
    ["relu"],
  ],
  [
    "a sum of values and constants",
    {
      features: image,
      tensors: [counted("map", [3, 5]), floats("one", [1], [])],
      nodes: [mean, node("Sum", ["map", "x", "one", "mean"], "y")],
    },
    ["global_average_pooling", "binary", "binary", "activation"],
  ],
  ["a mean of values", { features: image, nodes: [node("Relu", ["x"], "a"), node("Mean", ["x", "a", "x"], "y")] }],
  [
    "the largest of a value and constants",
    withConstants("Max", [[], [4, 1, 1], [1, 1, 3, 5]]),
    ["clip", "binary", "binary"],
  ],
  ["the smallest of two values", { features: image, nodes: [mean, node("Min", ["x", "mean"], "y")] }],
  ["a product with a constant of rows", withConstants("Mul", [[3, 1]]), ["binary"]],
  ["a difference with a constant of pixels", withConstants("Sub", [[3, 5]]), ["binary"]],
  ["a quotient by a constant of all numbers", withConstants("Div", [[1, 4, 3, 5]]), ["binary"]],
  [
    "constants less a value, and divided by it",
    {
      features: image,
      tensors: [counted("map", [3, 5]), counted("perChannel", [4, 1, 1]), floats("two", [2], [])],
      nodes: [
        node("Sigmoid", ["x"], "open"),
        node("Sub", ["map", "open"], "less"),
        node("Add", ["open", "two"], "more"),
        node("Div", ["perChannel", "more"], "quotient"),
        node("Div", ["quotient", "more"], "again"),
        node("Mul", ["again", "less"], "y"),
      ],
    },
  ],
  [
    "a value expanded and multiplied: a product that broadcasts",
    {
      features: image,
      nodes: [
        mean,
        node("Shape", ["x"], "dims"),
        node("Expand", ["mean", "dims"], "wide"),
        node("Mul", ["x", "wide"], "y"),
      ],
    },
    ["global_average_pooling", "multiply"],
  ],
  [
    "a value expanded by itself",
    { features: image, nodes: [mean, node("Shape", ["x"], "dims"), node("Expand", ["mean", "dims"], "y")] },
    ["global_average_pooling", "binary"],
  ],
  [
    "values divided by a power of their mean over rows: no local response, which is over channels",
    {
      features: image,
      tensors: [floats("alpha", [0.3], []), floats("bias", [1], []), floats("beta", [0.75], [])],
      nodes: [
        node("Mul", ["x", "x"], "squares"),
        node("AveragePool", ["squares"], "rows", [...attributes({ kernel_shape: [3, 1], pads: [1, 0, 1, 0] })]),
        node("Mul", ["rows", "alpha"], "scaled"),
        node("Add", ["scaled", "bias"], "raised"),
        node("Pow", ["raised", "beta"], "power"),
        node("Div", ["x", "power"], "y"),
      ],
    },
    ["multiply", "average_pooling", "activation", "activation", "activation", "binary"],
  ],
  [
    "a choice between a value and a number",
    {
      features: image,
      tensors: [booleans("asks", [1, 0, 1, 1, 0], [5]), floats("other", [-0.7], [])],
      nodes: [node("Where", ["asks", "x", "other"], "y")],
    },
    ["binary", "binary"],
  ],
  [
    "a choice between two values, by channel",
    {
      features: image,
      tensors: [booleans("asks", [1, 0, 0, 1], [4, 1, 1])],
      nodes: [node("Sigmoid", ["x"], "open"), node("Where", ["asks", "open", "x"], "y")],
    },
  ],
  ...["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"].flatMap(
    (opType): Form[] => [
      [`${opType} over the channels`, reduced(opType, [1], 1)],
      [`${opType} over rows and columns, axes from behind`, reduced(opType, [-1, -2], 0)],
      [`${opType} over channels and columns, opset 18`, reduced(opType, [1, 3], 1, 18)],
    ],
  ),
  [
    "a reduction that names no axes and does nothing",
    {
      features: image,
      nodes: [node("ReduceSum", ["x"], "same", attributes({ noop_with_empty_axes: 1 })), node("Relu", ["same"], "y")],
    },
    ["relu"],
  ],
  ["a vector of length 1", { features: [6], nodes: [node("LpNormalization", ["x"], "y")] }],
  [
    "values divided by their sum",
    { features: image, nodes: [node("LpNormalization", ["x"], "y", attributes({ p: 1, axis: 1 }))] },
  ],
  ["an instance norm", withConstants("InstanceNormalization", [[4], [4]]), ["normalization", "gain", "bias"]],
  [
    "a layer norm of vectors",
    {
      features: [6],
      tensors: [counted("scale", [6]), counted("shift", [6])],
      nodes: [node("LayerNormalization", ["x", "scale", "shift"], "y")],
    },
    ["normalization", "gain", "bias"],
  ],
  [
    "a layer norm over rows and columns, without a shift",
    {
      features: image,
      tensors: [counted("scale", [3, 5])],
      nodes: [node("LayerNormalization", ["x", "scale"], "y", attributes({ axis: 2 }))],
    },
    ["normalization", "binary"],
  ],
  [
    "a layer norm of channels that are last",
    {
      features: image,
      tensors: [counted("scale", [4]), counted("shift", [4])],
      nodes: [
        node("Transpose", ["x"], "last", attributes({ perm: [0, 2, 3, 1] })),
        node("LayerNormalization", ["last", "scale", "shift"], "normal", attributes({ axis: -1 })),
        node("Transpose", ["normal"], "y", attributes({ perm: [0, 3, 1, 2] })),
      ],
    },
    ["normalization", "gain", "bias"],
  ],
  ["a layer norm written out", writtenOut(3, "Pow"), ["normalization", "binary", "binary"]],
  ["a layer norm written out over rows", writtenOut(2, "Mul"), ["normalization", "binary", "binary"]],
  [
    "a group norm with a scale for each channel",
    {
      ...{ features: image, opset: 21 },
      tensors: [counted("scale", [4]), counted("shift", [4])],
      nodes: [node("GroupNormalization", ["x", "scale", "shift"], "y", attributes({ num_groups: 2 }))],
    },
    ["normalization", "gain", "bias"],
  ],
  [
    "a group norm in three nodes",
    {
      features: image,
      tensors: [
        integers("groups", [0, 2, -1]),
        integers("back", [0, 4, 3, 5]),
        floats("ones", [1, 1]),
        floats("none", [0, 0]),
      ],
      nodes: [
        node("Reshape", ["x", "groups"], "seen"),
        node("InstanceNormalization", ["seen", "ones", "none"], "normal"),
        node("Reshape", ["normal", "back"], "y"),
      ],
    },
    ["normalization"],
  ],
  [
    "neighbours of channels",
    { features: image, nodes: [node("LRN", ["x"], "y", attributes({ size: 3, alpha: { float: 0.9 } }))] },
  ],
  [
    "neighbours of channels of a signal, written out",
    {
      features: [4, 6],
      tensors: [
        ...[integers("axis", [1]), integers("pads", [0, 0, 1, 0, 0, 0, 1, 0])],
        ...[floats("alpha", [0.9], []), floats("one", [1], []), floats("beta", [0.75], [])],
      ],
      nodes: [
        node("Mul", ["x", "x"], "squares"),
        node("Unsqueeze", ["squares", "axis"], "images"),
        node("Pad", ["images", "pads"], "wide"),
        node("AveragePool", ["wide"], "means", attributes({ kernel_shape: [3, 1], strides: [1, 1] })),
        node("Squeeze", ["means", "axis"], "mean"),
        node("Mul", ["mean", "alpha"], "scaled"),
        node("Add", ["scaled", "one"], "raised"),
        node("Pow", ["raised", "beta"], "divisor"),
        node("Div", ["x", "divisor"], "y"),
      ],
    },
    ["reshape", "local_response_normalization", "reshape"],
  ],
  ["slopes of channels", withConstants("PRelu", [[4, 1, 1]]), ["prelu"]],
  ["one slope", withConstants("PRelu", [[1]]), ["prelu"]],
  [
    "a Mish written out",
    {
      features: image,
      nodes: [node("Softplus", ["x"], "soft"), node("Tanh", ["soft"], "gate"), node("Mul", ["x", "gate"], "y")],
    },
    ["activation"],
  ],
];

const refused: readonly RefusedForm[] = [
  [
    "a root mean square norm of axes from the front",
    rootMeanSquare(2, [3, 5]),
    /RMSNormalization "y\/node".*counted from the front/,
  ],
  ["a mean over the batch", reduced("ReduceMean", [0, 1], 1), /ReduceMean "y\/node".*reduces the batch axis/],
  ["a sum of everything", reduced("ReduceSum", [], 1), /ReduceSum "y\/node".*reduces the batch axis/],
  ["slopes of rows", withConstants("PRelu", [[3, 1]]), /PRelu "y\/node".*neither one for each channel nor one for all/],
  ["a sum with a constant of each image", withConstants("Add", [[3, 4, 3, 5]]), /Add "y\/node".*cannot be broadcast/],
  [
    "a power of several exponents",
    withConstants("Pow", [[4, 1, 1]]),
    /Pow "y\/node".*its exponent is not one constant number/,
  ],
  [
    "a choice with a constant of more axes",
    {
      features: [4],
      tensors: [booleans("asks", [1, 0, 0, 1], [4]), counted("other", [1, 1, 4])],
      nodes: [node("Where", ["asks", "x", "other"], "y")],
    },
    /Where "y\/node".*a constant that does not fit the value/,
  ],
  [
    "a choice by what is in the images",
    {
      features: image,
      tensors: [floats("zero", [0], [])],
      nodes: [node("Greater", ["x", "zero"], "asks"), node("Where", ["asks", "x", "zero"], "y")],
    },
    /Greater \(1, first "asks\/node"\)/,
  ],
];

describe("supported forms give the outputs of ONNX Runtime", () => {
  test.each(right.map(([name, parts, ops]) => ({ name, parts, ops })))("$name", async ({ parts, ops }) => {
    const { graph } = await expectRight(parts);
    if (ops !== undefined) expect(graph.nodes.map(({ op }) => op)).toEqual(ops);
  });
});

testRefusals(refused);
