/**
 * Constants that a file computes from other constants and shapes: the values computed when it is read are those of ONNX
 * Runtime.
 */
import { describe, expect, test } from "vitest";
import { tensor } from "../../../src/core/tensor.ts";
import { openRuntime } from "../../../src/evaluation/onnx-runtime.ts";
import { attributeMessage, type NodeMessage, type TensorMessage } from "../../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { floats, integers, node, onnxModel } from "./models.ts";

const features = [6, 4, 5];
const scalar = { name: "value", type: 4 } as const;

/** Tensors that every case may read. */
const tensors: readonly TensorMessage[] = [
  integers("i", [3, -4, 5, 7, -2, 9]),
  integers("i2", [2, 3, -2, 4, 5, 2]),
  integers("grid", [1, 2, 3, 4, 5, 6], [2, 3]),
  integers("zero", [0], []),
  integers("one", [1], []),
  integers("two", [2], [1]),
  integers("six", [6], []),
  integers("minus1", [-1]),
  integers("axes0", [0]),
  integers("axes1", [1]),
  integers("picks", [5, 0, -1, 2, 2, 3]),
  integers("rows", [1, 0]),
  integers("dims32", [3, 2]),
  integers("dims23", [2, 3]),
  integers("dims6", [6]),
  integers("start", [-1]),
  integers("end", [-(2 ** 31)]),
  integers("step", [-1]),
  integers("repeats", [1, 2]),
  integers("column", [1, 2], [2, 1]),
  integers("parts", [4, 2]),
  floats("f", [0.5, 1.5, -2.5, 2.5, 4, 0.3]),
  floats("g", [2, -1, 3, 0.5, 2, 2]),
  { name: "b", dataType: 9, dims: [6], int32Data: [1, 0, 1, 1, 0, 0] },
  { name: "b2", dataType: 9, dims: [6], int32Data: [1, 1, 0, 1, 0, 1] },
];

/** Nodes that compute "v", six numbers of any type and dims, from the tensors above and the shape of "x" alone. */
const cases: readonly (readonly [string, readonly NodeMessage[]])[] = [
  ...["Add", "Sub", "Mul", "Div", "Mod", "Min", "Max"].flatMap((op) => [
    [`${op} of integers`, [node(op, ["i", "i2"], "v")]] as const,
  ]),
  ...["Add", "Sub", "Mul", "Div", "Min", "Max"].map((op) => [`${op} of floats`, [node(op, ["f", "g"], "v")]] as const),
  ["ReduceSum", [node("ReduceSum", ["grid", "axes1"], "sum"), node("Mul", ["grid", "sum"], "v")]],
  ...["ReduceMax", "ReduceMin"].map(
    (op) =>
      [op, [node(op, ["grid"], "most", [attributeMessage("axes", [1])]), node("Mul", ["grid", "most"], "v")]] as const,
  ),
  ...["ReduceL1", "ReduceL2", "ReduceMean", "ReduceSumSquare"].map(
    (op) =>
      [
        `${op} of floats`,
        [
          node("Cast", ["grid"], "wide", [attributeMessage("to", 1)]),
          node(op, ["wide"], "all", [attributeMessage("axes", [1])]),
          node("Div", ["wide", "all"], "v"),
        ],
      ] as const,
  ),
  [
    "MatMul",
    [
      node("Cast", ["grid"], "wide", [attributeMessage("to", 1)]),
      node("Transpose", ["wide"], "tall"),
      node("MatMul", ["tall", "wide"], "square"),
      node("Slice", ["square", "axes0", "two", "axes0"], "v"),
    ],
  ],
  ["Add with broadcasting", [node("Add", ["grid", "column"], "v")]],
  ["Pow of integers, some to a negative power", [node("Pow", ["i", "i2"], "v")]],
  [
    "Clip",
    [node("ReduceMin", ["g"], "low"), node("ReduceMean", ["f"], "high"), node("Clip", ["f", "low", "high"], "v")].map(
      (one) => (one.opType === "Clip" ? one : { ...one, attribute: [attributeMessage("keepdims", 0)] }),
    ),
  ],
  [
    "Clip without a lower bound",
    [node("ReduceMean", ["f"], "high", [attributeMessage("keepdims", 0)]), node("Clip", ["f", "", "high"], "v")],
  ],
  ["Pow", [node("Abs", ["f"], "p"), node("Pow", ["p", "g"], "v")]],
  ...[
    "Atan",
    "Cos",
    "Erf",
    "Relu",
    "Sigmoid",
    "Sin",
    "Tan",
    "Tanh",
    "Abs",
    "Neg",
    "Floor",
    "Ceil",
    "Round",
    "Exp",
    "Reciprocal",
    "Sign",
  ].map((op) => [op, [node(op, ["f"], "v")]] as const),
  ...["Sqrt", "Log"].map((op) => [op, [node("Abs", ["f"], "p"), node(op, ["p"], "v")]] as const),
  ...["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"].map(
    (op) => [op, [node(op, ["i", "i2"], "v")]] as const,
  ),
  ...["And", "Or"].map((op) => [op, [node(op, ["b", "b2"], "v")]] as const),
  ["Not", [node("Not", ["b"], "v")]],
  ["Where", [node("Where", ["b", "i", "zero"], "v")]],
  ["Gather along the first axis", [node("Gather", ["i", "picks"], "v")]],
  ["Gather of rows", [node("Gather", ["grid", "rows"], "v", [attributeMessage("axis", 0)])]],
  [
    "Concat along the second axis",
    [node("Concat", ["column", "column", "column"], "v", [attributeMessage("axis", 1)])],
  ],
  ["Slice backwards", [node("Slice", ["i", "start", "end", "axes0", "step"], "v")]],
  [
    "Slice and Expand",
    [
      node("Slice", ["i", "axes0", "two"], "s"),
      node("Unsqueeze", ["s", "axes1"], "c"),
      node("Expand", ["c", "dims23"], "v"),
    ],
  ],
  ["Transpose", [node("Transpose", ["grid"], "v", [attributeMessage("perm", [1, 0])])]],
  ["Reshape with an open size", [node("Reshape", ["grid", "minus1"], "v")]],
  [
    "Tile",
    [
      node("Slice", ["grid", "axes0", "two", "axes1"], "s"),
      node("Tile", ["s", "repeats"], "t"),
      node("Slice", ["t", "axes0", "dims6", "axes1"], "u"),
      node("Slice", ["u", "axes1", "dims6", "axes1"], "w"),
      node("Concat", ["w"], "v", [attributeMessage("axis", 0)]),
    ],
  ],
  ["Range", [node("Range", ["zero", "six", "one"], "v")]],
  ["ConstantOfShape", [node("ConstantOfShape", ["dims23"], "v", [{ ...scalar, t: integers("", [7]) }])]],
  ["ConstantOfShape without a value", [node("ConstantOfShape", ["dims6"], "v")]],
  [
    "Split",
    [
      { ...node("Split", ["i", "parts"], "a"), output: ["a", "z"] },
      node("Concat", ["z", "a"], "v", [attributeMessage("axis", 0)]),
    ],
  ],
  [
    "ReduceProd",
    [node("ReduceProd", ["grid"], "p", [attributeMessage("keepdims", 0)]), node("Expand", ["p", "dims6"], "v")],
  ],
  [
    "Squeeze",
    [node("Squeeze", ["column", "axes1"], "s"), node("Concat", ["s", "s", "s"], "v", [attributeMessage("axis", 0)])],
  ],
  [
    "Shape of an activation, behind the batch",
    [
      node("Shape", ["x"], "s"),
      node("Slice", ["s", "axes1", "dims6"], "t"),
      node("Concat", ["t", "t"], "v", [attributeMessage("axis", 0)]),
    ],
  ],
  [
    "Cast there and back",
    [node("Cast", ["f"], "c", [attributeMessage("to", 7)]), node("Cast", ["c"], "v", [attributeMessage("to", 9)])],
  ],
  ...[
    ["half", 10],
    ["brain", 16],
  ].map(([name, to]): readonly [string, readonly NodeMessage[]] => [
    `Cast to ${name} floats, which rounds`,
    [node("Mul", ["f", "g"], "m"), node("Cast", ["m"], "v", [attributeMessage("to", Number(to))])],
  ]),
  ["CastLike of booleans", [node("CastLike", ["f", "b"], "v")]],
  [
    "the batch size, cancelled out",
    [
      node("Shape", ["x"], "s"),
      node("Gather", ["s", "zero"], "n"),
      node("Mul", ["n", "i"], "m"),
      node("Add", ["m", "n"], "a"),
      node("Sub", ["a", "n"], "d"),
      node("Div", ["d", "n"], "v"),
    ],
  ],
];

async function inBoth(nodes: readonly NodeMessage[]): Promise<{ ours: readonly number[]; theirs: readonly number[] }> {
  const bytes = onnxModel({
    features,
    tensors: [...tensors, integers("perChannel", [6, 1, 1])],
    nodes: [
      ...nodes,
      node("Cast", ["v"], "asFloats", [attributeMessage("to", 1)]),
      node("Reshape", ["asFloats", "perChannel"], "bias"),
      node("Add", ["x", "bias"], "y"),
    ],
  });
  const { graph, weights } = readOnnx(bytes, "folded.onnx");
  expect(graph.nodes.map(({ op }) => op)).toEqual(["bias"]);
  const [values] = weights.values();
  const session = await openRuntime(bytes, "folded.onnx");
  const y = (await session.run(tensor([2, ...features]))).get("y")?.data ?? new Float32Array();
  await session.dispose();
  return { ours: [...(values?.data ?? [])], theirs: [...y].filter((_, index) => index < 120 && index % 20 === 0) };
}

describe("constants have the values that ONNX Runtime computes", () => {
  test.each(cases)("%s", async (name, nodes) => {
    const { ours, theirs } = await inBoth(nodes);
    if (name === "ConstantOfShape without a value") expect(ours).toEqual([0, 0, 0, 0, 0, 0]);
    expect(ours).toHaveLength(6);
    for (const [index, value] of ours.entries()) expect(value).toBeCloseTo(theirs[index] ?? Number.NaN, 5);
  });
});

describe("a value that is not a·N + b with batch size N is refused by its node", () => {
  const shapeOfBatch = [node("Shape", ["x"], "s"), node("Gather", ["s", "zero"], "n")];
  test.each([
    ["as a weight", [node("Mul", ["n", "i"], "v")], /depend.* on the batch size|must be of floats/],
    ["squared", [node("Mul", ["n", "n"], "v")], /Mul "v\/node".*squares a number that depends on the batch size/],
    ["divided by", [node("Div", ["i", "n"], "v")], /Div "v\/node".*divides by a number that depends on the batch size/],
    ["compared", [node("Greater", ["n", "i"], "v")], /Greater "v\/node".*depends on the batch size/],
  ])("%s", (_, nodes, message) => {
    const bytes = onnxModel({
      features,
      tensors: [...tensors, integers("perChannel", [6, 1, 1])],
      nodes: [
        ...shapeOfBatch,
        ...nodes,
        node("Cast", ["v"], "asFloats", [attributeMessage("to", 1)]),
        node("Reshape", ["asFloats", "perChannel"], "bias"),
        node("Add", ["x", "bias"], "y"),
      ],
    });
    expect(() => readOnnx(bytes, "batch.onnx")).toThrow(message);
  });
});

test("a tensor that two layers share by an Identity becomes two parameters", () => {
  const bytes = onnxModel({
    features,
    tensors: [floats("a.bias", [1, 2, 3, 4, 5, 6], [6, 1, 1])],
    nodes: [
      node("Identity", ["a.bias"], "b.bias"),
      node("Add", ["x", "a.bias"], "z"),
      node("Relu", ["z"], "r"),
      node("Add", ["r", "b.bias"], "y"),
    ],
  });
  const { graph, weights } = readOnnx(bytes, "copies.onnx");
  expect(graph.parameters.map(({ name }) => name)).toEqual(["a.bias", "b.bias"]);
  expect(weights.get("b.bias")?.data).toEqual(weights.get("a.bias")?.data);
  expect(weights.get("b.bias")?.data.buffer).not.toBe(weights.get("a.bias")?.data.buffer);
});
