import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { inferShapes } from "../../src/graph/shapes.ts";
import { resnet } from "../../src/models/resnet.ts";
import { imagenetResnet } from "../../src/models/resnet-imagenet.ts";
import { preactResnet } from "../../src/models/resnet-preact.ts";
import { imagenetResnext, resnext } from "../../src/models/resnext.ts";
import { vgg16 } from "../../src/models/vgg.ts";
import { model, modelDefaults, modelNames } from "../../src/models/zoo.ts";

describe("published counts", () => {
  // Parameters to the last one, MACs as far as they are given. Where they come from: - ResNets for 32 x 32:
  // akamaster/pytorch_resnet_cifar10 (option A) and He et al., table 6; option B adds two 1x1 convolutions with batch
  // norm. VGG-16: Li et al., "Pruning Filters for Efficient ConvNets" (15 M with its second linear layer). - ResNet-164
  // and the pre-activation ResNets for 224 x 224: tables of osmr/imgclsmob (preresnet164bn, preresnet18 …
  // preresnet152b); its MACs count batch norms too, so those of He et al. (0.25 G) and of the post-activation networks
  // stand here. - DenseNet-40: Huang et al., table 2 (1.0 M), and Liu et al., "Network Slimming", table 1 (1.02 M,
  // 5.33e8 operations, two a MAC). - MobileNetV2 for 32 x 32: that for 224 x 224 with a classifier of 10 classes. -
  // ResNet-18 … 152, ResNeXt-50, VGG-16, DenseNet-121, MobileNetV2 for 224 x 224: the torchvision package's model
  // pages. VGG-16 has the 138,357,544 of the original less 4,224 biases of convolutions, and two numbers a channel of
  // batch norms in their place. - ResNeXt-101 32x4d: 44.18 M and 8.0 G in Xie et al., table 3, and in
  // huggingface/pytorch-image-models (resnext101_32x4d). - PeleeNet: Wang et al., table 5 (2.8 M, 508 M).
  test.each([
    ["resnet-20", 269_722, 40.55e6, 1e-3],
    ["resnet-32", 464_154, 68.86e6, 1e-3],
    ["resnet-44", 658_586, 97.17e6, 1e-3],
    ["resnet-56", 853_018, 125.5e6, 1e-3],
    ["resnet-110", 1_727_962, 252.9e6, 1e-3],
    ["resnet-20-b", 269_722 + 16 * 32 + 32 * 64 + 2 * 32 + 2 * 64, 40.81e6, 1e-3],
    ["resnet-164", 1_703_258, 0.25e9, 0.01],
    ["vgg-16", 14_724_042, 313.2e6, 1e-3],
    ["densenet-40", 1_019_722, 5.33e8 / 2, 0.01],
    ["mobilenet-v2-cifar", 3_504_872 - 1281 * 1000 + 1281 * 10, undefined, 0],
    ["vgg-16-imagenet", 138_357_544 - 4224 + 2 * 4224, 15.47e9, 1e-3],
    ["resnet-18", 11_689_512, 1.81e9, 5e-3],
    ["resnet-34", 21_797_672, 3.66e9, 5e-3],
    ["resnet-50", 25_557_032, 4.09e9, 5e-3],
    ["resnet-101", 44_549_160, 7.8e9, 5e-3],
    ["resnet-152", 60_192_808, 11.51e9, 5e-3],
    ["resnet-18-preact", 11_687_848, 1.81e9, 5e-3],
    ["resnet-34-preact", 21_796_008, 3.66e9, 5e-3],
    ["resnet-50-preact", 25_549_480, 4.09e9, 5e-3],
    ["resnet-101-preact", 44_541_608, 7.8e9, 5e-3],
    ["resnet-152-preact", 60_185_256, 11.51e9, 5e-3],
    ["resnext-50", 25_028_904, 4.23e9, 5e-3],
    ["resnext-101", 44_177_704, 8e9, 5e-3],
    ["densenet-121", 7_978_856, 2.83e9, 5e-3],
    ["mobilenet-v2", 3_504_872, 0.3e9, 5e-3],
  ] as const)("%s: %i parameters, %d MACs", (name, parameters, macs, tolerance) => {
    const found = cost(model(name));
    expect(found.parameters).toBe(parameters);
    if (macs !== undefined) expect(Math.abs(found.macs / macs - 1)).toBeLessThan(tolerance);
  });

  test("peleenet: 2.8 M parameters, 508 M MACs", () => {
    const { parameters, macs } = cost(model("peleenet"));
    expect((parameters / 1e6).toFixed(1)).toBe("2.8");
    expect((macs / 1e6).toFixed(0)).toBe("508");
  });

  // Jordan, arXiv 2404.00498, has the layers. What its PyTorch module counts: 24 filters of 2 × 2 and their biases, six
  // convolutions of 3 × 3, two numbers a channel of batch norms, and the linear layer.
  test("fastnet-cifar: what its layers add up to", () => {
    const pairs = [24 * 64, 64 * 64, 64 * 256, 256 * 256, 256 * 256, 256 * 256];
    const pixels = [31 * 31, 15 * 15, 15 * 15, 7 * 7, 7 * 7, 3 * 3];
    const parameters = 24 * 12 + 24 + 9 * pairs.reduce((sum, one) => sum + one) + 2 * 2 * (64 + 256 + 256) + 2560;
    const macs = pairs.reduce((sum, one, index) => sum + 9 * one * (pixels[index] ?? 0), 24 * 12 * 31 * 31 + 2560);
    expect(cost(model("fastnet-cifar"))).toEqual({ parameters, macs });
  });

  // No count is published. A block of C channels out, width C/2 and 32 groups has C_in·C/2 + 9·(C/2)²/32 + C²/2
  // weights.
  test.each([
    ["resnext-20", 2],
    ["resnext-164", 18],
  ] as const)("%s: what its blocks add up to", (name, blocks) => {
    let [weights, macs, norms, src] = [3 * 16 * 9, 3 * 16 * 9 * 1024, 16, 16];
    for (const [stage, channels] of [64, 128, 256].entries()) {
      for (let block = 0; block < blocks; block++) {
        const pixels = 1024 / 4 ** stage;
        const width = channels / 2;
        const own = [src * width, (9 * width * width) / 32, width * channels, src === channels ? 0 : src * channels];
        // The first layer of a stage still sees the image of the one before.
        const seen = [block === 0 && stage > 0 ? 4 * pixels : pixels, pixels, pixels, pixels];
        weights += own.reduce((sum, count) => sum + count, 0);
        macs += own.reduce((sum, count, layer) => sum + count * (seen[layer] ?? 0), 0);
        norms += 2 * width + channels + (src === channels ? 0 : channels);
        src = channels;
      }
    }
    expect(cost(model(name))).toEqual({ parameters: weights + 2 * norms + 2570, macs: macs + 2560 });
  });
});

function outputShape(graph: Graph, batch: number): readonly number[] | undefined {
  return inferShapes(graph, batch).get(graph.outputs[0] ?? "");
}

describe("every model of the zoo", () => {
  test("is in docs/models.md with what it costs", () => {
    const text = readFileSync(new URL("../../docs/models.md", import.meta.url), "utf8");
    const rows = [...text.matchAll(/^\| `([^`]+)` \| ([\d,]+) \| ([\d,.]+) M \|/gm)];
    const number = (digits = ""): number => Number(digits.replaceAll(",", ""));
    expect(rows.map(([, name]) => name)).toEqual(modelNames);
    for (const [, name = "", parameters, macs] of rows) {
      const found = cost(model(name));
      expect(number(parameters), name).toBe(found.parameters);
      expect(Math.abs(number(macs) - found.macs / 1e6), name).toBeLessThan(0.06);
    }
  });

  test.each(modelNames)("%s takes colour, grey and other sizes, and is named as asked", (name) => {
    for (const size of modelDefaults(name).size === 32 ? [16, 28, 32, 33, 64] : [32, 36, 64, 224]) {
      const graph = model(name, { classes: 7, channels: 1, size });
      expect(graph.name).toBe(name);
      expect(graph.inputs).toEqual([{ name: "images", dtype: "f32", shape: ["N", 1, size, size] }]);
      expect(outputShape(graph, 5)).toEqual([5, 7]);
    }
  });

  test.each(modelNames)("%s takes the images it was made for, if not told otherwise", (name) => {
    const { size, classes } = modelDefaults(name);
    const graph = model(name);
    expect(graph.inputs[0]?.shape).toEqual(["N", 3, size, size]);
    expect(outputShape(graph, 2)).toEqual([2, classes]);
    expect(`${size} pixels, ${classes} classes`).toMatch(/^(32 pixels, 10|224 pixels, 1000) classes$/);
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
    expect(() => model("transformer", { classes: 10 })).toThrow(/Known: .*resnext-20.*mobilenet-v2/);
    expect(() => modelDefaults("resnet-50-preakt")).toThrow(/Did you mean "resnet-50-preact"/);
  });

  test("sizes and classes that make no sense", () => {
    for (const options of [{ classes: 0 }, { classes: 2.5 }, { classes: 10, channels: 0 }, { classes: 10, size: -3 }]) {
      expect(() => model("resnet-20", options)).toThrow(UserError);
    }
    expect(() => vgg16({ classes: 10, size: 15 })).toThrow(/16 or more.*got 15/);
    expect(() => model("densenet-121", { size: 31 })).toThrow(/32 or more.*got 31/);
    expect(() => model("peleenet", { size: 90 })).toThrow(/multiple of 4, 32 or more.*got 90/);
    expect(() => resnet({ depth: 21 as 20, classes: 10 })).toThrow(/one of 20, 32, 44, 56, 110.*got 21/);
    expect(() => imagenetResnet({ depth: 20 as 18, classes: 10 })).toThrow(/one of 18, 34, 50, 101, 152.*got 20/);
    expect(() => preactResnet({ depth: 20 as 18, classes: 10 })).toThrow(/one of 18, 34, 50, 101, 152.*got 20/);
    expect(() => resnext({ depth: 50 as 20, classes: 10 })).toThrow(/one of 20, 164.*got 50/);
    expect(() => imagenetResnext({ depth: 20 as 50, classes: 10 })).toThrow(/one of 50, 101.*got 20/);
  });
});
