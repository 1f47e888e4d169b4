/**
 * Forms of ops that are legal but rare in ONNX. Each gives the same outputs as ONNX Runtime, or is refused by the
 * node's name.
 */
import { describe, expect, test } from "vitest";
import { attributeMessage, valueMessage } from "../../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import { expectRight, type RefusedForm, testRefusals } from "./expect-right.ts";
import { attributes, floats, integers, type ModelParts, node, onnxModel } from "./models.ts";

type Form = readonly [name: string, parts: ModelParts];

const right: readonly Form[] = [
  [
    "a clip whose minimum is above its maximum",
    {
      features: [4],
      tensors: [floats("low", [0.5], []), floats("high", [-0.25], [])],
      nodes: [node("Clip", ["x", "low", "high"], "y")],
    },
  ],
  ["one number an image", { features: [], nodes: [node("Relu", ["x"], "y")] }],
  [
    "one number an image, padded by nothing and sliced whole",
    {
      features: [],
      tensors: [integers("pads", [0, 0]), integers("start", [0]), integers("end", [2 ** 31 - 1])],
      nodes: [node("Pad", ["x", "pads"], "padded"), node("Slice", ["padded", "start", "end"], "y")],
    },
  ],
  [
    "one number an image, which becomes a vector and a linear layer",
    {
      features: [],
      tensors: [integers("axes", [1]), floats("weights", [1, 2, 3], [1, 3])],
      nodes: [node("Unsqueeze", ["x", "axes"], "vector"), node("MatMul", ["vector", "weights"], "y")],
    },
  ],
  [
    "one number an image, in front of a layer that loses some of its outputs",
    {
      features: [],
      tensors: [
        integers("axes", [1]),
        floats("weights", [1, 2, 3], [1, 3]),
        ...[integers("start", [0]), integers("end", [2])],
      ],
      nodes: [
        node("Sigmoid", ["x"], "open"),
        node("Unsqueeze", ["open", "axes"], "vector"),
        node("MatMul", ["vector", "weights"], "wide"),
        node("Slice", ["wide", "start", "end", "axes"], "y"),
      ],
    },
  ],
  [
    "flattening of one number an image",
    { features: [], nodes: [node("Flatten", ["x"], "y", [attributeMessage("axis", 1)])] },
  ],
  [
    "a number less a value",
    { features: [3, 2], tensors: [floats("one", [1.25], [])], nodes: [node("Sub", ["one", "x"], "y")] },
  ],
  [
    "the logarithm of a softmax over one channel, which is zero",
    {
      features: [1, 2, 2],
      nodes: [node("LogSoftmax", ["x"], "log", [attributeMessage("axis", 1)]), node("Add", ["log", "x"], "y")],
    },
  ],
  ...["Softmax", "LogSoftmax"].map(
    (opType): Form => [
      `${opType} of constants`,
      {
        features: [3],
        tensors: [floats("zeros", new Array<number>(9).fill(0), [3, 3]), floats("bias", [1, 2, 4])],
        nodes: [
          node("Gemm", ["x", "zeros", "bias"], "constant"),
          node(opType, ["constant"], "shares", [attributeMessage("axis", 1)]),
          node("Add", ["shares", "x"], "y"),
        ],
      },
    ],
  ),
  [
    "a part of a transposed image, beside one that nothing reads",
    {
      features: [16, 5],
      nodes: [
        node("Relu", ["x"], "positive"),
        node("Transpose", ["positive"], "turned", [attributeMessage("perm", [0, 2, 1])]),
        { ...node("Split", ["turned"], "y", [attributeMessage("axis", 2)]), output: ["y", "unread"] },
      ],
    },
  ],
  [
    "a transposing that nothing reads, beside another",
    {
      features: [3, 4, 5],
      nodes: [
        node("Transpose", ["x"], "unread", [attributeMessage("perm", [0, 2, 1, 3])]),
        node("Transpose", ["x"], "turned", [attributeMessage("perm", [0, 3, 1, 2])]),
        node("Relu", ["turned"], "y"),
      ],
    },
  ],
  [
    "a slice of an older form behind a transposing",
    {
      features: [3, 4, 2],
      opset: 9,
      nodes: [
        node("Transpose", ["x"], "turned", [attributeMessage("perm", [0, 2, 3, 1])]),
        node("Slice", ["turned"], "sliced", [
          attributeMessage("axes", [3, 1]),
          attributeMessage("starts", [0, 1]),
          attributeMessage("ends", [2, 4]),
        ]),
        node("Relu", ["sliced"], "y"),
      ],
    },
  ],
];

const refused: readonly RefusedForm[] = [
  [
    "a pooling whose kernel is larger than the padded image",
    {
      features: [2, 3, 3],
      nodes: [
        node("MaxPool", ["x"], "y", [attributeMessage("kernel_shape", [5, 5]), attributeMessage("ceil_mode", 1)]),
      ],
    },
    /MaxPool "y\/node".*expected a kernel that fits into the padded image/,
  ],
  [
    "an empty slice",
    {
      features: [4],
      tensors: [integers("start", [2]), integers("end", [2]), integers("axis", [1])],
      nodes: [node("Slice", ["x", "start", "end", "axis"], "y")],
    },
    /Slice "y\/node".*its result is empty/,
  ],
  [
    "a rounding to half floats",
    {
      features: [4],
      nodes: [
        node("Cast", ["x"], "half", [attributeMessage("to", 10)]),
        node("Cast", ["half"], "y", [attributeMessage("to", 1)]),
      ],
    },
    /Cast "half\/node".*rounds an activation to 16 bits.*got FLOAT16/,
  ],
  [
    "a padding of the batch",
    {
      features: [4],
      tensors: [integers("pads", [1, 0, 0, 0])],
      nodes: [node("Pad", ["x", "pads"], "y")],
    },
    /Pad "y\/node".*pads the batch/,
  ],
  [
    "concatenating batches",
    { features: [], nodes: [node("Concat", ["x", "x"], "y", [attributeMessage("axis", 0)])] },
    /Concat "y\/node".*only concatenation along the channels/,
  ],
  [
    "concatenating a constant",
    {
      features: [2],
      tensors: [floats("fixed", [1, 2], [1, 2])],
      nodes: [node("Concat", ["x", "fixed"], "y", [attributeMessage("axis", 1)])],
    },
    /Concat "y\/node".*input "fixed" must be computed from the images/,
  ],
  [
    "an addition of a number that gives the value more axes",
    { features: [3], tensors: [floats("one", [1], [1, 1, 1])], nodes: [node("Add", ["x", "one"], "y")] },
    /Add "y\/node".*cannot be broadcast with the value/,
  ],
  [
    "a squeeze that removes a batch axis of size 1",
    {
      features: [3, 1],
      nodes: [node("Squeeze", ["x"], "y")],
      change: ({ graph }) => graph?.input?.splice(0, 1, valueMessage("x", 1, [1, 3, 1])),
    },
    /Squeeze "y\/node".*removes the batch axis/,
  ],
  [
    "a resizing of the batch",
    {
      features: [2, 3, 3],
      tensors: [integers("sizes", [2, 2, 6, 6])],
      nodes: [
        node("Resize", ["x", "", "", "sizes"], "y", attributes({ coordinate_transformation_mode: "asymmetric" })),
      ],
    },
    /Resize "y\/node".*sizes resize other axes than those of pixels/,
  ],
  [
    "automatic padding of a dilated pooling",
    {
      features: [1, 5, 4],
      nodes: [
        node("MaxPool", ["x"], "y", attributes({ auto_pad: "SAME_UPPER", kernel_shape: [3, 2], dilations: [2, 1] })),
      ],
    },
    /MaxPool "y\/node".*auto_pad/,
  ],
  ...(["MaxPool", "AveragePool"] as const).map(
    (opType): RefusedForm => [
      `automatic padding of a ${opType} that steps over pixels`,
      {
        features: [1, 6, 1],
        nodes: [
          node(opType, ["x"], "y", attributes({ auto_pad: "SAME_UPPER", kernel_shape: [1, 3], strides: [3, 3] })),
        ],
      },
      /Pool "y\/node".*auto_pad.*steps over pixels/,
    ],
  ),
];

describe("supported forms give the outputs of ONNX Runtime", () => {
  test("channels-last images that an older form of Pad pads before they are transposed", () => {
    const bytes = onnxModel({
      features: [4, 5, 3],
      opset: 9,
      nodes: [
        node("Pad", ["x"], "padded", [attributeMessage("pads", [0, 1, 0, 0, 0, 0, 1, 0])]),
        node("Transpose", ["padded"], "turned", [attributeMessage("perm", [0, 3, 1, 2])]),
        node("Relu", ["turned"], "y"),
      ],
    });
    const { graph, weights } = readOnnx(bytes, "last.onnx");
    expect(graph.header?.channelsLast).toEqual(["x"]);
    expect(readOnnx(writeOnnx({ graph, weights }), "written.onnx").graph).toEqual(graph);
  });

  test.each(right)("%s", async (_, parts) => {
    await expectRight(parts);
  });

  test("a network of half floats with casts is computed in 32 bits", () => {
    const half = (to: number, from: string, name: string) => node("Cast", [from], name, [attributeMessage("to", to)]);
    const bytes = onnxModel({
      features: [4],
      nodes: [half(1, "x", "wide"), node("Sigmoid", ["wide"], "open"), half(10, "open", "y")],
      change: ({ graph }) => graph?.input?.splice(0, 1, valueMessage("x", 10, ["batch", 4])),
    });
    expect(readOnnx(bytes, "half.onnx").graph.nodes.map(({ op }) => op)).toEqual(["activation"]);
  });
});

testRefusals(refused);
