import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { type Graph, makeNode, type Node } from "../../src/graph/graph.ts";
import { windowCount } from "../../src/graph/shapes/windows.ts";
import { inferNode, inferShapes } from "../../src/graph/shapes.ts";

const none = { top: 0, left: 0, bottom: 0, right: 0 };
const plain = { strides: [1, 1], padding: none, dilation: [1, 1], groups: 1 } as const;

/** The window's positions, counted one by one. */
function countWindows(
  size: number,
  kernel: number,
  stride: number,
  before: number,
  after: number,
  dilation: number,
): number {
  const reach = dilation * (kernel - 1);
  let count = 0;
  for (let start = -before; start + reach < size + after; start += stride) count++;
  return count;
}

test("the number of windows is what counting gives", () => {
  const small = fc.integer({ min: 1, max: 5 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      small,
      small,
      fc.nat(4),
      fc.nat(4),
      small,
      (size, kernel, stride, before, after, dilation) => {
        fc.pre(dilation * (kernel - 1) < size + before + after);
        expect(windowCount(size, kernel, stride, before, after, dilation)).toBe(
          countWindows(size, kernel, stride, before, after, dilation),
        );
      },
    ),
  );
});

describe("windows of pooling", () => {
  const small = fc.integer({ min: 1, max: 5 });

  /** Whether every window has a pixel of the image, tried one by one. */
  function eachReaches(
    size: number,
    kernel: number,
    stride: number,
    before: number,
    windows: number,
    dilation: number,
  ) {
    return Array.from({ length: windows }, (_, index) => index * stride - before).every((first) =>
      Array.from({ length: kernel }, (_, tap) => first + tap * dilation).some((at) => at >= 0 && at < size),
    );
  }

  test("one that has no pixel of the image is found", () => {
    let [refused, taken] = [0, 0];
    fc.assert(
      fc.property(
        ...[fc.integer({ min: 1, max: 4 }), small, small, fc.nat(4), fc.nat(4), small],
        (size, kernel, stride, before, after, dilation) => {
          fc.pre(before < kernel && after < kernel && dilation * (kernel - 1) < size + before + after);
          const windows = windowCount(size, kernel, stride, before, after, dilation);
          const node = makeNode("max_pooling", "pool", [], [], {
            ...{ kernel: [kernel, 1], strides: [stride, 1], dilation: [dilation, 1] },
            padding: { ...none, top: before, bottom: after },
          });
          const infer = (): unknown => inferNode(node, [[1, 1, size, 1]], 1);
          if (eachReaches(size, kernel, stride, before, windows, dilation)) {
            expect(infer()).toEqual([[1, 1, windows, 1]]);
            taken++;
          } else {
            expect(infer).toThrow(/a pixel of the image in every window/);
            refused++;
          }
        },
      ),
      { numRuns: 3000 },
    );
    expect(Math.min(refused, taken)).toBeGreaterThan(20);
  });

  test("10⁹ of them take no time", () => {
    const billion = 1_000_000_000;
    const node = makeNode("max_pooling", "pool", [], [], {
      ...{ kernel: [billion, 1], strides: [1, 1] },
      padding: { ...none, top: billion - 1, bottom: billion - 1 },
    });
    expect(inferNode(node, [[1, 1, 4, 1]], 1)).toEqual([[1, 1, billion + 3, 1]]);
  });
});

describe("shapes of each op", () => {
  const image = [2, 6, 9, 8];
  const padding = { top: 1, left: 0, bottom: 2, right: 1 };
  const window = { kernel: [3, 2], strides: [2, 1], padding } as const;
  const cases: readonly [Node, readonly (readonly number[])[], readonly number[]][] = [
    [makeNode("convolution", "n", [], [], plain), [image, [4, 6, 3, 3]], [2, 4, 7, 6]],
    [
      makeNode("convolution", "n", [], [], { ...plain, strides: [2, 3], padding, dilation: [2, 1], groups: 3 }),
      [image, [9, 2, 3, 2], [9]],
      [2, 9, 4, 3],
    ],
    [
      makeNode("batch_normalization", "n", [], [], { epsilon: 1e-5, momentum: 0.1 }),
      [image, [6], [6], [6], [6]],
      image,
    ],
    [makeNode("relu", "n", [], [], {}), [[2, 5]], [2, 5]],
    [makeNode("add", "n", [], [], {}), [image, image], image],
    [makeNode("bias", "n", [], [], {}), [image, [6]], image],
    [makeNode("concatenation", "n", [], [], {}), [image, [2, 1, 9, 8], image], [2, 13, 9, 8]],
    [makeNode("max_pooling", "n", [], [], window), [image], [2, 6, 5, 8]],
    [makeNode("average_pooling", "n", [], [], { ...window, countIncludePad: true }), [image], [2, 6, 5, 8]],
    [makeNode("global_average_pooling", "n", [], [], {}), [image], [2, 6, 1, 1]],
    [makeNode("linear", "n", [], [], {}), [[2, 12], [5, 12], [5]], [2, 5]],
    [makeNode("flatten", "n", [], [], {}), [image], [2, 432]],
    [makeNode("pad", "n", [], [], { before: [0, 1, 2, 0], after: [0, 3, 0, 1] }), [image], [2, 10, 11, 9]],
    [
      makeNode("slice", "n", [], [], { starts: [0, 1, 0, 2], ends: ["N", 5, 9, 8], steps: [1, 1, 2, 4] }),
      [image],
      [2, 4, 5, 2],
    ],
    [makeNode("scale", "n", [], [], { axis: 1 }), [image, [3]], image],
    [makeNode("scale", "n", [], [], { axis: 0 }), [[8, 2, 3, 3], [4]], [8, 2, 3, 3]],
  ];

  test.each(cases.map(([node, inputs, output]) => [node.op, node, inputs, output] as const))(
    "%s",
    (_, node, inputs, output) => {
      expect(inferNode(node, inputs, 2)).toEqual([output]);
    },
  );
});

describe("illegal nodes are refused by name", () => {
  const image = [2, 6, 4, 4];
  const cases: readonly [string, Node, readonly (readonly number[])[]][] = [
    [
      "expected 6 input channels, got 5",
      makeNode("convolution", "c", [], [], plain),
      [
        [2, 5, 4, 4],
        [4, 6, 3, 3],
      ],
    ],
    [
      "output channels that 2 groups divide",
      makeNode("convolution", "c", [], [], { ...plain, groups: 2 }),
      [image, [5, 3, 3, 3]],
    ],
    ["a kernel that fits", makeNode("convolution", "c", [], [], plain), [image, [4, 6, 5, 5]]],
    ["bias of shape \\[4\\]", makeNode("convolution", "c", [], [], plain), [image, [4, 6, 3, 3], [5]]],
    ["an image \\[N,C,H,W\\] or a volume", makeNode("global_average_pooling", "c", [], [], {}), [[2, 5]]],
    [
      "input 1 of rank 5",
      makeNode("convolution", "c", [], [], plain),
      [
        [2, 6, 3, 5, 5],
        [4, 6, 3, 3],
      ],
    ],
    [
      "a window of 3 axes",
      makeNode("convolution", "c", [], [], plain),
      [
        [2, 6, 3, 5, 5],
        [4, 6, 1, 3, 3],
      ],
    ],
    ["an input 1", makeNode("add", "c", [], [], {}), [image]],
    ["at most 2 inputs, got 3", makeNode("matmul", "c", [], [], {}), [image, [2, 6, 4, 4], [6]]],
    ["at most 1 inputs, got 2", makeNode("relu", "c", [], [], {}), [image, image]],
    ["both of shape", makeNode("add", "c", [], [], {}), [image, [2, 6, 4, 5]]],
    ["equal to .* but for the channels", makeNode("concatenation", "c", [], [], {}), [image, [2, 6, 5, 4]]],
    ["inputs that have channels", makeNode("concatenation", "c", [], [], {}), [[6], [6]]],
    ["equal to .* but for the channels", makeNode("concatenation", "c", [], [], {}), [[2, 6], [6]]],
    [
      "padding smaller than the kernel",
      makeNode("max_pooling", "c", [], [], { kernel: [2, 2], strides: [1, 1], padding: { ...none, top: 2 } }),
      [image],
    ],
    [
      "expected 7 input features, got 6",
      makeNode("linear", "c", [], [], {}),
      [
        [2, 6],
        [3, 7],
      ],
    ],
    ["no padding of the batch", makeNode("pad", "c", [], [], { before: [1, 0], after: [0, 0] }), [[2, 6]]],
    [
      "bounds inside 0…6 on axis 1",
      makeNode("slice", "c", [], [], { starts: [0, 3], ends: ["N", 7], steps: [1, 1] }),
      [[2, 6]],
    ],
    ["a minimum of at most the maximum", makeNode("clip", "c", [], [], { minimum: 1, maximum: 0 }), [image]],
    ["factors that divides 6, got 4", makeNode("scale", "c", [], [], { axis: 1 }), [image, [4]]],
    [
      "input 3 of shape \\[6\\]",
      makeNode("batch_normalization", "c", [], [], { epsilon: 0, momentum: 0 }),
      [image, [6], [6], [5], [6]],
    ],
  ];

  test.each(cases)("%s", (message, node, inputs) => {
    expect(() => inferNode(node, inputs, 2)).toThrow(UserError);
    expect(() => inferNode(node, inputs, 2)).toThrow(new RegExp(`${node.op} "c".*${message}`));
  });
});

describe("shapes of a graph", () => {
  const graph: Graph = {
    name: "g",
    inputs: [{ name: "images", dtype: "f32", shape: ["N", 2, 3, 3] }],
    parameters: [{ name: "w", shape: [4, 18], kind: "weights" }],
    nodes: [
      makeNode("flatten", "flat", ["images"], ["flat"], {}),
      makeNode("linear", "classifier", ["flat", "w"], ["logits"], {}),
    ],
    outputs: ["logits"],
    updates: [],
  };

  test("the batch is bound, and every value has a shape", () => {
    expect(Object.fromEntries(inferShapes(graph, 7))).toEqual({
      images: [7, 2, 3, 3],
      w: [4, 18],
      flat: [7, 18],
      logits: [7, 4],
    });
  });

  test("order, missing values and outputs are checked", () => {
    expect(() => inferShapes({ ...graph, nodes: graph.nodes.toReversed() }, 1)).toThrow(
      /linear "classifier".*reads "flat"/,
    );
    expect(() => inferShapes({ ...graph, outputs: ["nothing"] }, 1)).toThrow(/no node computes the output "nothing"/);
    expect(() =>
      inferShapes({ ...graph, nodes: [...graph.nodes, makeNode("relu", "r", ["flat"], ["logits"], {})] }, 1),
    ).toThrow(/another node has it too/);
  });
});
