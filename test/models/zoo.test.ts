import { describe, expect, test } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { inferShapes } from "../../src/graph/shapes.ts";
import { resnet } from "../../src/models/resnet.ts";
import { resnext } from "../../src/models/resnext.ts";
import { vgg16 } from "../../src/models/vgg.ts";
import { model, modelNames } from "../../src/models/zoo.ts";

describe("published counts, 10 classes, 3x32x32", () => {
  // ResNets: akamaster/pytorch_resnet_cifar10 (option A) and He et al., table 6; option B adds two 1x1 convolutions with
  // batch norm. VGG-16: Li et al., "Pruning Filters for Efficient ConvNets" (15 M with its second linear layer).
  test.each([
    ["resnet-20", 269_722, 40.55e6],
    ["resnet-32", 464_154, 68.86e6],
    ["resnet-44", 658_586, 97.17e6],
    ["resnet-56", 853_018, 125.5e6],
    ["resnet-110", 1_727_962, 252.9e6],
    ["resnet-20-b", 269_722 + 16 * 32 + 32 * 64 + 2 * 32 + 2 * 64, 40.81e6],
    ["vgg-16", 14_724_042, 313.2e6],
  ])("%s: %i parameters, %d MACs", (name, parameters, macs) => {
    const found = cost(model(name, { classes: 10 }));
    expect(found.parameters).toBe(parameters);
    expect(Math.abs(found.macs / macs - 1)).toBeLessThan(1e-3);
  });
});

function outputShape(graph: Graph, batch: number): readonly number[] | undefined {
  return inferShapes(graph, batch).get(graph.outputs[0] ?? "");
}

describe("every model of the zoo", () => {
  test.each(modelNames)("%s takes colour, grey and other sizes, and is named as asked", (name) => {
    for (const size of [16, 28, 32, 33, 64]) {
      const graph = model(name, { classes: 7, channels: 1, size });
      expect(graph.name).toBe(name);
      expect(graph.inputs).toEqual([{ name: "images", dtype: "f32", shape: ["N", 1, size, size] }]);
      expect(outputShape(graph, 5)).toEqual([5, 7]);
    }
  });

  test.each(modelNames)("%s has no parameter that nothing reads, and no name twice", (name) => {
    const graph = model(name, { classes: 10 });
    const read = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
    for (const parameter of graph.parameters) expect(read).toContain(parameter.name);
    const names = graph.nodes.map((node) => node.name);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("the shortcuts of a ResNet", () => {
  test("option A samples every second pixel and pads channels on both sides alike", () => {
    const { nodes } = resnet({ depth: 20, classes: 10, shortcut: "A" });
    const pads = nodes.flatMap((node) => (node.op === "pad" ? [node.attributes] : []));
    expect(pads).toEqual([
      { before: [0, 8, 0, 0], after: [0, 8, 0, 0] },
      { before: [0, 16, 0, 0], after: [0, 16, 0, 0] },
    ]);
    const slices = nodes.flatMap((node) => (node.op === "slice" ? [node.attributes.steps] : []));
    expect(slices).toEqual([
      [1, 1, 2, 2],
      [1, 1, 2, 2],
    ]);
  });

  test("option B has a convolution of stride 2 where the shape changes, and nowhere else", () => {
    const { nodes } = resnet({ depth: 32, classes: 10, shortcut: "B" });
    const shortcuts = nodes.filter(({ op, name }) => op === "convolution" && name.includes("shortcut"));
    expect(shortcuts.map(({ name }) => name)).toEqual(["stage2.block1.shortcut.conv", "stage3.block1.shortcut.conv"]);
  });

  test("the branch is the addition's first input", () => {
    const { nodes } = resnet({ depth: 20, classes: 10 });
    const additions = nodes.filter(({ op }) => op === "add");
    expect(additions).toHaveLength(9);
    for (const { inputs } of additions) expect(inputs[0]).toMatch(/norm2$/);
  });
});

test("a ResNeXt's 3x3 convolutions have the asked groups and widths", () => {
  const graph = resnext({ depth: 20, classes: 10, cardinality: 8, groupWidth: 16 });
  const grouped = graph.nodes.flatMap((node) =>
    node.op === "convolution" && node.attributes.groups > 1 ? [node] : [],
  );
  const shapes = inferShapes(graph, 1);
  expect(grouped.map(({ attributes }) => attributes.groups)).toEqual([8, 8, 8, 8, 8, 8]);
  expect(grouped.map(({ name }) => shapes.get(name)?.[1])).toEqual([128, 128, 256, 256, 512, 512]);
});

describe("what is not a model", () => {
  test("an unknown name gets the nearest, or all", () => {
    expect(() => model("resnet20", { classes: 10 })).toThrow(/unknown model "resnet20".*Did you mean "resnet-20"/);
    expect(() => model("transformer", { classes: 10 })).toThrow(/Known: .*resnext-20/);
  });

  test("sizes and classes that make no sense", () => {
    for (const options of [{ classes: 0 }, { classes: 2.5 }, { classes: 10, channels: 0 }, { classes: 10, size: -3 }]) {
      expect(() => model("resnet-20", options)).toThrow(UserError);
    }
    expect(() => vgg16({ classes: 10, size: 15 })).toThrow(/16 or more.*got 15/);
    expect(() => resnet({ depth: 21 as 20, classes: 10 })).toThrow(/one of 20, 32, 44, 56, 110.*got 21/);
  });
});
