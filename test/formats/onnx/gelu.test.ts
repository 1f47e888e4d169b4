/** GELU in ONNX files: the op of opset 20, and the nodes that stand for it in older files. */
import { describe, expect, test } from "vitest";
import { tensor } from "../../../src/core/tensor.ts";
import { createReferenceEngine } from "../../../src/engine/reference/index.ts";
import { openRuntime } from "../../../src/evaluation/onnx-runtime.ts";
import { attributeMessage, decodeModel, type NodeMessage } from "../../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import type { Network } from "../../../src/graph/graph.ts";
import { relativeDifference } from "../../engine/random-data.ts";
import { floats, type ModelParts, node, onnxModel } from "./models.ts";

const numbers = [
  floats("root", [Math.SQRT2], []),
  floats("inverse_root", [Math.SQRT1_2], [1]),
  floats("one", [1], []),
  floats("half", [0.5], []),
  floats("two", [2], []),
  floats("three", [3], []),
  floats("cubic", [0.044715], []),
  floats("slope", [Math.sqrt(2 / Math.PI)], [1]),
  floats("inner", [Math.sqrt(2 / Math.PI) * 0.044715], []),
];

/** 1 + erf(x/√2) as "raised". */
const raised = [
  node("Div", ["x", "root"], "scaled"),
  node("Erf", ["scaled"], "t"),
  node("Add", ["t", "one"], "raised"),
];
/** 1 + tanh(…) as "raised", of the argument "scaled". */
const raisedTanh = [node("Tanh", ["scaled"], "t"), node("Add", ["one", "t"], "raised")];
const halvedFirst = [node("Mul", ["half", "x"], "halved"), node("Mul", ["halved", "raised"], "y")];

type Form = readonly [name: string, approximation: "none" | "tanh", nodes: readonly NodeMessage[]];

const forms: readonly Form[] = [
  ["the product first", "none", [...raised, node("Mul", ["x", "raised"], "xt"), node("Mul", ["xt", "half"], "y")]],
  ["x/2 first", "none", [...raised, ...halvedFirst]],
  ["divided by 2 at the end", "none", [...raised, node("Mul", ["raised", "x"], "xt"), node("Div", ["xt", "two"], "y")]],
  [
    "half of both summands",
    "none",
    [
      node("Mul", ["inverse_root", "x"], "scaled"),
      node("Erf", ["scaled"], "t"),
      node("Mul", ["t", "half"], "t/2"),
      node("Add", ["half", "t/2"], "raised"),
      node("Mul", ["raised", "x"], "y"),
    ],
  ],
  [
    "the root computed from 2",
    "none",
    [node("Sqrt", ["two"], "computed"), node("Div", ["x", "computed"], "scaled"), ...raised.slice(1), ...halvedFirst],
  ],
  [
    "tanh of a power",
    "tanh",
    [
      node("Pow", ["x", "three"], "cube"),
      node("Mul", ["cube", "cubic"], "part"),
      node("Add", ["x", "part"], "sum"),
      node("Mul", ["sum", "slope"], "scaled"),
      ...raisedTanh,
      ...halvedFirst,
    ],
  ],
  [
    "tanh of x times a square",
    "tanh",
    [
      node("Mul", ["x", "x"], "square"),
      node("Mul", ["inner", "square"], "part"),
      node("Add", ["part", "slope"], "sum"),
      node("Mul", ["x", "sum"], "scaled"),
      ...raisedTanh,
      node("Mul", ["raised", "x"], "xt"),
      node("Mul", ["half", "xt"], "y"),
    ],
  ],
  ["an op of its own", "none", [node("Gelu", ["x"], "y")]],
  ["an op of its own, approximated", "tanh", [node("Gelu", ["x"], "y", [attributeMessage("approximate", "tanh")])]],
];

const images = tensor(
  [1, 81],
  Float32Array.from({ length: 81 }, (_, index) => (index - 40) / 10),
);

async function inRuntime(bytes: Uint8Array): Promise<Float32Array> {
  const session = await openRuntime(bytes, "the file");
  const answer = (await session.run(images)).get("y")?.data ?? new Float32Array();
  await session.dispose();
  return answer;
}

function own({ graph, weights }: Network): Float32Array {
  const plan = createReferenceEngine().prepare(graph, { batch: 1 });
  plan.write(weights);
  return plan.run({ x: images })["y"]?.data ?? new Float32Array();
}

function file(nodes: readonly NodeMessage[], parts: Partial<ModelParts> = {}): Uint8Array {
  const read = new Set(nodes.flatMap(({ input }) => input ?? []));
  const tensors = numbers.filter(({ name }) => read.has(name ?? ""));
  const opset = nodes.some(({ opType }) => opType === "Gelu") ? 20 : 17;
  return onnxModel({ features: [81], nodes, tensors, opset, ...parts });
}

describe("nodes that compute GELU are read as one", () => {
  test.each(forms)("%s", async (_, approximation, nodes) => {
    const bytes = file(nodes);
    const network = readOnnx(bytes, "gelu.onnx");
    expect(network.graph.nodes.map(({ op, attributes }) => ({ op, attributes }))).toEqual([
      { op: "activation", attributes: { function: "gelu", approximation } },
    ]);
    expect(network.graph.parameters).toEqual([]);
    const expected = await inRuntime(bytes);
    expect(relativeDifference(own(network), expected)).toBeLessThan(1e-6);
    const written = writeOnnx(network);
    expect(relativeDifference(await inRuntime(written), expected)).toBeLessThan(1e-6);
    expect(readOnnx(written, "written.onnx").graph).toEqual(network.graph);
  });

  test("two behind one another", () => {
    const second = raised.map(({ input = [], output = [], ...rest }) => ({
      ...rest,
      input: input.map((name) => (name === "x" ? "z" : name === "scaled" || name === "t" ? `${name}2` : name)),
      output: output.map((name) => `${name}2`),
    }));
    const network = readOnnx(
      file([
        ...raised,
        node("Mul", ["x", "raised"], "xt"),
        node("Mul", ["xt", "half"], "z"),
        ...second,
        node("Mul", ["z", "raised2"], "zt"),
        node("Mul", ["zt", "half"], "y"),
      ]),
      "two.onnx",
    );
    expect(network.graph.nodes.map(({ op, inputs }) => [op, ...inputs])).toEqual([
      ["activation", "x"],
      ["activation", "z"],
    ]);
  });
});

describe("GELU is written", () => {
  const written = (opset: number, approximation: "none" | "tanh"): readonly NodeMessage[] => {
    const attribute = [attributeMessage("approximate", approximation)];
    const network = readOnnx(file([node("Gelu", ["x"], "y", attribute)], { opset: 20 }), "gelu.onnx");
    const header = { ...network.graph.header, opset };
    return decodeModel(writeOnnx({ ...network, graph: { ...network.graph, header } }), "written").graph?.node ?? [];
  };

  test("as the op from opset 20 on", () => {
    for (const approximation of ["none", "tanh"] as const) {
      expect(written(20, approximation).map(({ opType }) => opType)).toEqual(["Gelu"]);
    }
  });

  test("as several nodes before", () => {
    expect(written(19, "none").map(({ opType }) => opType)).toEqual(["Div", "Erf", "Add", "Mul", "Mul"]);
    expect(written(17, "tanh").map(({ opType }) => opType)).toContain("Tanh");
  });
});

describe("what is not GELU is not taken for it", () => {
  test.each<readonly [string, readonly NodeMessage[]]>([
    ["another scale", [node("Div", ["x", "two"], "scaled"), ...raised.slice(1), ...halvedFirst]],
    ["no half", [...raised, node("Mul", ["x", "raised"], "y")]],
    [
      "another reader of the inside",
      [
        ...raised,
        ...halvedFirst.slice(0, 1),
        node("Mul", ["halved", "raised"], "g"),
        node("Add", ["g", "raised"], "y"),
      ],
    ],
    [
      "the erf of a square",
      [
        node("Mul", ["x", "x"], "square"),
        node("Div", ["square", "root"], "scaled"),
        ...raised.slice(1),
        ...halvedFirst,
      ],
    ],
  ])("%s", async (_, nodes) => {
    const bytes = file(nodes);
    const network = readOnnx(bytes, "other.onnx");
    const functions = network.graph.nodes.flatMap((one) => (one.op === "activation" ? [one.attributes.function] : []));
    expect(functions).toContain("erf");
    expect(functions).not.toContain("gelu");
    expect(relativeDifference(own(network), await inRuntime(bytes))).toBeLessThan(1e-6);
  });

  test("tanh beside an output of its own stays tanh", () => {
    const nodes = [node("Tanh", ["x"], "t"), node("Add", ["t", "x"], "y")];
    expect(readOnnx(file(nodes), "tanh.onnx").graph.nodes.map(({ op }) => op)).toEqual(["activation", "add"]);
  });

  test("an approximation that is not known", () => {
    const bytes = file([node("Gelu", ["x"], "y", [attributeMessage("approximate", "quick")])]);
    expect(() => readOnnx(bytes, "gelu.onnx")).toThrow(/approximate is not known/);
  });
});
