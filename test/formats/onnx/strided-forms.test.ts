/** Views by strides as `torch.export` writes them: a flattened value, and indices computed from the batch size. */
import { describe, expect, test } from "vitest";
import { expectRight, testRefusals } from "./expect-right.ts";
import { attributes, floats, integers, type ModelParts, node } from "./models.ts";

/** Takes `values` of dims `dims` of each image of `features`, which the file says to have `perImage` numbers. */
function strided(
  features: readonly number[],
  dims: readonly number[],
  values: readonly number[],
  perImage = features.reduce((product, size) => product * size, 1),
): ModelParts {
  const axes = dims.map((_, axis) => axis + 1);
  return {
    features,
    opset: 18,
    tensors: [
      integers("flat", [-1]),
      ...[integers("zero", [0], []), integers("one", [1], []), integers("own", [perImage], [])],
      ...[integers("axes", axes), integers("values", values, [1, ...dims])],
      integers("first", [0]),
    ],
    nodes: [
      node("Relu", ["x"], "positive"),
      node("Shape", ["x"], "batch", attributes({ start: 0, end: 1 })),
      node("Squeeze", ["batch"], "count"),
      node("Range", ["zero", "count", "one"], "images"),
      node("Mul", ["images", "own"], "starts"),
      node("Unsqueeze", ["starts", "axes"], "apart"),
      node("Add", ["apart", "values"], "indices"),
      node("Reshape", ["positive", "flat"], "numbers"),
      node("Gather", ["numbers", "indices"], "y", attributes({ axis: 0 })),
    ],
  };
}

const counted = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe("a view by strides", () => {
  test("of all numbers in their order is a reshape", async () => {
    const { graph } = await expectRight(strided([6, 2, 2], [24, 1, 1], counted(24)));
    expect(graph.nodes.map(({ op }) => op)).toEqual(["relu", "reshape"]);
  });

  test("of some numbers, in another order", async () => {
    const { graph } = await expectRight(strided([4, 3], [2, 3], [0, 3, 6, 1, 4, 11]));
    expect(graph.nodes.map(({ op }) => op)).toContain("gather");
  });

  test("of indices that are sums of several constants", async () => {
    const parts = strided(
      [4, 2, 3],
      [4, 3],
      [0, 6, 12, 18].flatMap((start) => [start, start, start]),
    );
    const sum = node("Add", ["indices", "columns"], "all");
    const nodes = parts.nodes.flatMap((own) =>
      own.opType === "Gather" ? [sum, { ...own, input: ["numbers", "all"] }] : [own],
    );
    await expectRight({
      ...parts,
      nodes,
      tensors: [...(parts.tensors ?? []), integers("columns", [0, 2, 4], [1, 1, 3])],
    });
  });
});

testRefusals([
  ["numbers of the next image", strided([4, 3], [2], [0, 1], 6), /Reshape "y\/node\/images"/],
  [
    "images in another order",
    {
      ...strided([4], [4], counted(4)),
      tensors: [
        floats("unused", [1]),
        ...(strided([4], [4], counted(4)).tensors ?? []).map((own) =>
          own.name === "zero" ? integers("zero", [1], []) : own,
        ),
      ],
    },
    /depends on the batch size/,
  ],
]);
