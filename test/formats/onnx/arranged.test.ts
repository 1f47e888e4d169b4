/**
 * Values whose batch stands behind other axes, is joined with them, or that are read with their axes in another order:
 * each form gives the outputs of ONNX Runtime, or is refused by the node's name.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { required } from "../../../src/core/errors.ts";
import {
  type Arrangement,
  axisOf,
  batch,
  dimsOf,
  reshapedTo,
  unified,
} from "../../../src/formats/onnx/arranged/arrangement.ts";
import { batchSize } from "../../../src/formats/onnx/folding/scalar.ts";
import { attributeMessage, type NodeMessage, type TensorMessage } from "../../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import type { OpName } from "../../../src/graph/ops.ts";
import { expectRight, type RefusedForm, testRefusals } from "./expect-right.ts";
import { attributes, counted, floats, integers, type ModelParts, node, onnxModel } from "./models.ts";

function transposed(input: string, output: string, perm: readonly number[]): NodeMessage {
  return node("Transpose", [input], output, [attributeMessage("perm", [...perm])]);
}

/** [N,4,6] as [6,N,4], behind `middle` from "turned" to "made", and back. */
function batchSecond(middle: readonly NodeMessage[], tensors: readonly TensorMessage[] = []): ModelParts {
  return {
    features: [4, 6],
    tensors,
    nodes: [transposed("x", "turned", [2, 0, 1]), ...middle, transposed("made", "y", [1, 2, 0])],
  };
}

/** [N,4,6] as [4·N,6], behind `middle`, and as [N,4,…] again. */
function batchJoined(middle: readonly NodeMessage[], tensors: readonly TensorMessage[], last: number): ModelParts {
  return {
    features: [4, 6],
    tensors: [...tensors, integers("rows", [-1, 6]), integers("apart", [4, -1, last])],
    nodes: [
      transposed("x", "turned", [1, 0, 2]),
      node("Reshape", ["turned", "rows"], "joined"),
      ...middle,
      node("Reshape", ["made", "apart"], "back"),
      transposed("back", "y", [1, 0, 2]),
    ],
  };
}

function einsum(equation: string, features: readonly number[], weights: readonly number[] = []): ModelParts {
  const isOfWeights = weights.length > 0;
  return {
    features,
    tensors: isOfWeights ? [counted("weights", weights)] : [],
    nodes: [
      node("Relu", ["x"], "other"),
      node("Einsum", ["x", ...(isOfWeights ? ["weights"] : equation.includes(",") ? ["other"] : [])], "y", [
        {
          ...attributeMessage("equation", 0),
          name: "equation",
          type: 3,
          i: undefined,
          s: new TextEncoder().encode(equation),
        },
      ]),
    ],
  };
}

const right: Readonly<Record<string, readonly [ModelParts, ...OpName[]]>> = {
  "a function of a value whose batch is second": [batchSecond([node("Sigmoid", ["turned"], "made")]), "activation"],
  "a sum with a constant, whose axes are put into order": [
    batchSecond([node("Add", ["turned", "places"], "made")], [counted("places", [6, 1, 4])]),
    "binary",
  ],
  "a difference with a constant a channel": [
    batchSecond([node("Sub", ["turned", "places"], "made")], [counted("places", [4])]),
    "bias",
  ],
  "a product with one number": [
    batchSecond([node("Mul", ["turned", "half"], "made")], [floats("half", [0.5], [1, 1, 1])]),
    "activation",
  ],
  "a sum of two orders of one value": [
    { features: [5, 5], nodes: [transposed("x", "turned", [0, 2, 1]), node("Add", ["x", "turned"], "y")] },
    "transpose",
    "add",
  ],
  "a softmax over what was the last axis": [
    batchSecond([node("Softmax", ["turned"], "made", attributes({ axis: 0 }))]),
    "softmax",
  ],
  "a layer norm": [
    batchSecond(
      [
        node("LayerNormalization", ["turned", "scale", "shift"], "made", [
          attributeMessage("epsilon", { float: 1e-3 }),
        ]),
      ],
      [counted("scale", [4]), counted("shift", [4])],
    ),
    ...(["normalization", "gain", "bias"] as const),
  ],
  "dense layers on a batch that is joined": [
    batchJoined(
      [
        node("MatMul", ["joined", "first"], "product"),
        node("Add", ["shift", "product"], "sum"),
        node("Gemm", ["sum", "second", "bias"], "made", [attributeMessage("transB", 1)]),
      ],
      [counted("first", [6, 5]), counted("shift", [5]), counted("second", [3, 5]), counted("bias", [3])],
      3,
    ),
    ...(["transpose", "reshape", "convolution", "convolution", "reshape", "transpose"] as const),
  ],
  "weights on the left": [
    { features: [4, 6], tensors: [counted("weights", [3, 4])], nodes: [node("MatMul", ["weights", "x"], "y")] },
    ...(["reshape", "convolution", "reshape"] as const),
  ],
  "a product of values, joined with the batch": [
    {
      features: [4, 6],
      tensors: [integers("heads", [-1, 2, 3]), integers("whole", [-1, 4, 6])],
      nodes: [
        node("Reshape", ["x", "heads"], "q"),
        transposed("q", "k", [0, 2, 1]),
        node("MatMul", ["q", "k"], "weights"),
        node("Softmax", ["weights"], "shares"),
        node("MatMul", ["shares", "q"], "made"),
        node("Reshape", ["made", "whole"], "y"),
      ],
    },
    ...(["reshape", "transpose", "matmul", "softmax", "matmul", "reshape"] as const),
  ],
  "a product of a value and itself, whose rows are the other's columns": [
    {
      features: [2, 2, 4],
      nodes: [transposed("x", "turned", [0, 3, 2, 1]), node("MatMul", ["turned", "turned"], "y")],
    },
    "matmul",
  ],
  "a product of values, and a number for each row": [
    {
      features: [4, 2],
      tensors: [counted("shift", [1, 4, 1])],
      nodes: [
        transposed("x", "turned", [0, 2, 1]),
        node("MatMul", ["x", "turned"], "weights"),
        node("MatMul", ["weights", "x"], "product"),
        node("Add", ["product", "shift"], "y"),
      ],
    },
    ...(["matmul", "matmul", "bias"] as const),
  ],
  "a dense layer with a bias, and another one behind it": [
    batchJoined(
      [node("Gemm", ["joined", "weights", "bias"], "layer"), node("Add", ["layer", "shift"], "made")],
      [counted("weights", [6, 3]), counted("bias", [3]), counted("shift", [3])],
      3,
    ),
    ...(["convolution", "bias"] as const),
  ],
  "places divided by their norm": [
    {
      features: [4, 6],
      nodes: [
        transposed("x", "turned", [0, 2, 1]),
        node("LpNormalization", ["turned"], "y", [attributeMessage("axis", 1)]),
      ],
    },
    "reduction",
  ],
  "a flattening with what were the channels last": [
    {
      features: [4, 6],
      tensors: [counted("weights", [4, 3]), integers("rows", [-1, 4]), integers("all", [-1, 18])],
      nodes: [
        transposed("x", "turned", [0, 2, 1]),
        node("Reshape", ["turned", "rows"], "joined"),
        node("MatMul", ["joined", "weights"], "made"),
        node("Reshape", ["made", "all"], "whole"),
        node("Sigmoid", ["whole"], "y"),
      ],
    },
    ...(["convolution", "flatten"] as const),
  ],
  "a layer norm over all that is behind a transpose": [
    {
      features: [4, 6],
      tensors: [counted("scale", [6, 4])],
      nodes: [
        transposed("x", "turned", [0, 2, 1]),
        node("LayerNormalization", ["turned", "scale"], "y", [attributeMessage("axis", 1)]),
      ],
    },
    "normalization",
  ],
  "a layer norm over one number": [
    {
      features: [1, 1],
      tensors: [floats("scale", [2], [1, 1]), floats("shift", [0.3], [1, 1])],
      nodes: [node("LayerNormalization", ["x", "scale", "shift"], "y", [attributeMessage("axis", 1)])],
    },
    "normalization",
  ],
  "a token of one number": [
    {
      features: [7, 1],
      tensors: [floats("token", [1.5], [1, 1, 1]), integers("zero", [0]), integers("tail", [1, 1])],
      nodes: [
        node("Shape", ["x"], "dims"),
        node("Gather", ["dims", "zero"], "images"),
        node("Concat", ["images", "tail"], "all", attributes({ axis: 0 })),
        node("Expand", ["token", "all"], "tokens"),
        node("Concat", ["tokens", "x"], "y", attributes({ axis: 1 })),
      ],
    },
    ...(["bias", "concatenation"] as const),
  ],
  "queries that are the same for each image": [
    {
      features: [4, 6],
      tensors: [
        ...[counted("queries", [1, 3, 4]), integers("tail", [3, 4]), integers("zero", [0])],
        ...[counted("weights", [4, 4]), counted("places", [3, 4])],
      ],
      nodes: [
        node("Shape", ["x"], "dims"),
        node("Gather", ["dims", "zero"], "images"),
        node("Concat", ["images", "tail"], "all", attributes({ axis: 0 })),
        node("Expand", ["queries", "all"], "repeated"),
        node("Add", ["repeated", "places"], "placed"),
        node("MatMul", ["repeated", "weights"], "asking"),
        node("MatMul", ["asking", "x"], "products"),
        node("Softmax", ["products"], "shares", attributes({ axis: -1 })),
        transposed("x", "turned", [0, 2, 1]),
        node("MatMul", ["shares", "turned"], "answers"),
        node("Add", ["answers", "placed"], "y"),
      ],
    },
    ...(["slice", "activation", "reshape", "binary"] as const),
  ],
  "places that a mask hides": [
    {
      features: [4, 4],
      tensors: [floats("low", new Array<number>(16).fill(Number.NEGATIVE_INFINITY), [4, 4]), integers("next", [1], [])],
      nodes: [
        node("Trilu", ["low", "next"], "mask", attributes({ upper: 1 })),
        node("MatMul", ["x", "x"], "products"),
        node("Add", ["products", "mask"], "hidden"),
        node("Softmax", ["hidden"], "y", attributes({ axis: -1 })),
      ],
    },
    ...(["matmul", "binary", "softmax"] as const),
  ],
  "places that a stored mask hides": [
    {
      features: [3, 3],
      tensors: [
        floats(
          "mask",
          [0, 1, 2].flatMap((row) => [0, 1, 2].map((at) => (at > row ? -Infinity : 0))),
          [3, 3],
        ),
      ],
      nodes: [
        node("MatMul", ["x", "x"], "products"),
        node("Add", ["mask", "products"], "hidden"),
        node("Softmax", ["hidden"], "y", attributes({ axis: -1 })),
      ],
    },
    ...(["matmul", "binary", "softmax"] as const),
  ],
  "parts of axes": [
    batchSecond(
      [
        node("Slice", ["turned", "from", "to", "axes", "steps"], "part"),
        { ...node("Split", ["part"], "first", attributes({ axis: 2 })), output: ["first", "second"] },
        node("Concat", ["second", "first"], "made", attributes({ axis: 0 })),
      ],
      [integers("from", [1, 0]), integers("to", [2 ** 31 - 1, 4]), integers("axes", [0, 2]), integers("steps", [2, 1])],
    ),
  ],
  "one token of several": [
    {
      features: [4, 6],
      tensors: [integers("first", [0], [])],
      nodes: [transposed("x", "turned", [2, 0, 1]), node("Gather", ["turned", "first"], "y", attributes({ axis: 0 }))],
    },
    ...(["slice", "flatten"] as const),
  ],
  "zeros around": [
    batchSecond([node("Pad", ["turned", "pads"], "made")], [integers("pads", [1, 0, 0, 2, 0, 0])]),
    "pad",
  ],
  "means over tokens": [
    {
      features: [4, 6],
      nodes: [
        transposed("x", "turned", [2, 0, 1]),
        node("ReduceMean", ["turned"], "y", [attributeMessage("axes", [0]), attributeMessage("keepdims", 0)]),
      ],
    },
    "reduction",
  ],
  "norms and sums of one number": [
    {
      features: [4, 1],
      tensors: [integers("axes", [0])],
      nodes: [
        transposed("x", "turned", [2, 0, 1]),
        node("ReduceL1", ["turned"], "first", attributes({ axes: [0], keepdims: 1 })),
        node("Add", ["first", "turned"], "sum"),
        node("ReduceL2", ["sum"], "second", attributes({ axes: [0], keepdims: 1 })),
        node("Sub", ["second", "turned"], "difference"),
        node("ReduceSum", ["difference", "axes"], "y", [attributeMessage("keepdims", 0)]),
      ],
    },
    "activation",
  ],
  "a constant in front of tokens": [
    {
      features: [4, 6],
      tensors: [counted("token", [1, 1, 4]), integers("tail", [1, 4]), integers("zero", [0])],
      nodes: [
        transposed("x", "turned", [0, 2, 1]),
        node("Shape", ["x"], "dims"),
        node("Gather", ["dims", "zero"], "images"),
        node("Concat", ["images", "tail"], "all", attributes({ axis: 0 })),
        node("Expand", ["token", "all"], "tokens"),
        node("Concat", ["tokens", "turned"], "made", attributes({ axis: 1 })),
        transposed("made", "y", [0, 2, 1]),
      ],
    },
    ...(["slice", "activation", "bias", "pad", "pad", "add"] as const),
  ],
  "two values joined along rows": [
    batchSecond([
      node("Relu", ["turned"], "other"),
      node("Concat", ["turned", "other"], "made", attributes({ axis: 0 })),
    ]),
  ],
  "a value that a node reads with its batch first": [
    {
      features: [4, 6],
      tensors: [counted("kernels", [3, 4, 2])],
      nodes: [
        transposed("x", "turned", [2, 0, 1]),
        node("Tanh", ["turned"], "curved"),
        transposed("curved", "back", [1, 2, 0]),
        node("Conv", ["back", "kernels"], "y"),
      ],
    },
  ],
  "sums over letters: matrices of images": [einsum("bij,bik->bjk", [4, 6]), "matmul"],
  "sums over letters: matrices in five axes": [einsum("nhtd,nhsd->nsht", [2, 3, 4])],
  "sums over letters: weights": [einsum("nct,oc->not", [4, 6], [3, 4])],
  "sums over letters: weights of several letters": [einsum("nhtd,hdec->ntec", [2, 3, 4], [2, 4, 2, 5])],
  "sums over letters: in the order of the alphabet": [einsum("abc,ce", [4, 6], [6, 3])],
  "sums over letters: axes without letters": [einsum("...ij,jk->...ik", [4, 6], [6, 2])],
  "sums over letters: axes without letters, in front": [einsum("...chw,cd->...dhw", [4, 3, 5], [4, 2])],
  "sums over letters: axes without letters, of two values": [einsum("...ij,...ik->...jk", [2, 4, 6])],
  "sums over letters: axes without letters, implied": [einsum("...ab,bc", [4, 6], [6, 3])],
  "sums over letters: capital letters": [einsum("BCT,OC->BOT", [4, 6], [3, 4])],
  "sums over letters: capital letters and axes without": [einsum("...AB,BC->...AC", [4, 6], [6, 3])],
  "sums over letters: another order": [einsum("abc->acb", [4, 6]), "transpose"],
};

const refused: readonly RefusedForm[] = [
  [
    "an output whose batch is second",
    { features: [4, 6], nodes: [transposed("x", "y", [2, 0, 1])] },
    /Transpose|batch/,
  ],
  [
    "weights with an axis in front, which the result gets in front of the batch",
    { features: [4], tensors: [counted("weights", [1, 4, 3])], nodes: [node("MatMul", ["x", "weights"], "y")] },
    /MatMul/,
  ],
  [
    "a sum over the batch",
    {
      features: [4, 6],
      nodes: [
        transposed("x", "turned", [2, 0, 1]),
        node("ReduceSum", ["turned", "axes"], "y", [attributeMessage("keepdims", 1)]),
      ],
      tensors: [integers("axes", [1])],
    },
    /ReduceSum/,
  ],
  [
    "products of different numbers of matrices",
    {
      features: [2, 3, 3],
      tensors: [integers("one", [0], [1])],
      nodes: [node("ReduceMax", ["x"], "other", [attributeMessage("axes", [1])]), node("MatMul", ["x", "other"], "y")],
    },
    /MatMul/,
  ],
  [
    "a sum whose operands have the batch on different axes",
    {
      features: [4, 1, 3],
      tensors: [integers("axes", [2, 3])],
      nodes: [
        node("GlobalAveragePool", ["x"], "mean"),
        node("ReduceMax", ["mean"], "largest", attributes({ axes: [1], keepdims: 1 })),
        node("Squeeze", ["largest", "axes"], "row"),
        node("Add", ["row", "x"], "y"),
      ],
    },
    /Add/,
  ],
  ["a diagonal", einsum("bii->bi", [4, 4]), /Einsum/],
  ["a sum of one value", einsum("bij->bi", [4, 6]), /Einsum/],
  ["letters for more axes than there are", einsum("...bij,jk->...bik", [6], [6, 2]), /Einsum/],
];

test("axes that a transpose counts from behind are those that it counts from the front", () => {
  const read = (first: number[], second: number[]): unknown =>
    readOnnx(
      onnxModel({
        features: [4, 6],
        nodes: [transposed("x", "turned", first), node("Tanh", ["turned"], "t"), transposed("t", "y", second)],
      }),
      "form.onnx",
    ).graph;
  expect(read([0, -1, 1], [-3, -1, -2])).toEqual(read([0, 2, 1], [0, 2, 1]));
});

test.each(Object.entries(right))("%s", async (_, [parts, ...ops]) => {
  const { graph } = await expectRight(parts);
  const found = graph.nodes.map(({ op }) => op);
  for (const op of ops) expect(found).toContain(op);
});

testRefusals(refused);

describe("an arrangement", () => {
  const extents = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 });
  const arranged = (dims: readonly number[]): Arrangement => {
    const inner = dims.map(axisOf);
    return { source: "x", inner, axes: [[batch], ...inner] };
  };

  test("that is reshaped keeps its numbers in order, and its own axes those of the source", () => {
    fc.assert(
      fc.property(extents, (dims) => {
        const joined = dims.reduce((product, size) => product * size, 1);
        const made = required(reshapedTo(arranged(dims), [{ times: joined, plus: 0 }], undefined), "an arrangement");
        expect(made.axes.flat()).toEqual([batch, ...made.inner.flat()]);
        const again = required(reshapedTo(made, [batchSize, ...dims], undefined), "an arrangement");
        expect(dimsOf(again.axes)).toEqual([1, ...dims]);
        expect(dimsOf(again.inner)).toEqual(dims);
        expect(again.axes.flat()).toEqual([batch, ...again.inner.flat()]);
      }),
    );
  });

  test("is not divided where a factor cannot be", () => {
    const turned = arranged([4, 6]);
    const [images = [], rows = [], columns = []] = turned.axes;
    const exchanged = { ...turned, axes: [images, columns, rows] };
    expect(reshapedTo(exchanged, [batchSize, 4, 6], undefined)).toBeUndefined();
    expect(dimsOf(required(reshapedTo(exchanged, [batchSize, 2, 3, 4], undefined), "an arrangement").inner)).toEqual([
      4, 6,
    ]);
  });

  test("gets the factors of another one, however both are divided", () => {
    fc.assert(
      fc.property(
        fc.constantFrom([2, 3, 4], [6, 4], [2, 12], [4, 6], [24]),
        fc.constantFrom([2, 3, 4], [6, 4], [24]),
        (a, b) => {
          const joined = (dims: readonly number[]) => reshapedTo(arranged(dims), [batchSize, 24], undefined);
          const found = unified(required(joined(a), "a"), required(joined(b), "b"), [
            [0, 0],
            [1, 1],
          ]);
          // Four rows cannot be divided by three, nor six by four.
          if (found === undefined) expect([a[0], b[0]]).toContain(4);
          expect(found?.b.axes).toEqual(found?.a.axes);
          for (const [place, factor] of (found?.b.axes[1] ?? []).entries()) {
            expect(factor).toBe(found?.a.axes[1]?.[place]);
          }
        },
      ),
    );
  });
});
