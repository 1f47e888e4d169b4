import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { filled, tensor } from "../../src/core/tensor.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { type Graph, producers, readers } from "../../src/graph/graph.ts";
import { resnet } from "../../src/models/resnet.ts";
import { resnext } from "../../src/models/resnext.ts";
import { vgg16 } from "../../src/models/vgg.ts";
import { model } from "../../src/models/zoo.ts";
import { factorsOf, gammaFeeds, gammasOf } from "../../src/selection/factors.ts";
import { place, refusedLayers, type Selection, structureKinds } from "../../src/selection/place.ts";
import { outputDifference, outputs, randomWeights, zeroFactors } from "../pruning/networks.ts";

const options = { classes: 10, size: 8 };
const resnets = {
  A: resnet({ ...options, depth: 20 }),
  B: resnet({ ...options, depth: 20, shortcut: "B" }),
} as const;
const smallResnext = resnext({ ...options, depth: 20, cardinality: 4, groupWidth: 3 });
const vgg = vgg16({ classes: 10 });

function layersOf(graph: Graph, select: Selection): readonly string[] {
  return place(graph, select).factors.map(({ layer }) => layer);
}

/** A graph of what `make` does to "images" [N,3,6,6], with pooling and a linear layer behind it. */
function classifier(make: (builder: GraphBuilder, images: string) => string): Graph {
  const b = new GraphBuilder("classifier");
  const value = make(b, b.input("images", ["N", 3, 6, 6]));
  b.output(b.linear("logits", b.flatten("flatten", b.globalAveragePooling("pool", value)), 3));
  return b.build();
}

function unit(b: GraphBuilder, name: string, src: string, channels: number, groups = 1): string {
  const value = b.convolution(name, src, { channels, kernel: 3, padding: 1, groups });
  return b.relu(`${name}.relu`, b.batchNormalization(`${name}.norm`, value));
}

describe("neurons", () => {
  test.each(Object.entries(resnets))(
    "ResNet, option %s: the first convolution of every branch, no other",
    (_, graph) => {
      const layers = layersOf(graph, { neurons: 0.01 });
      expect(layers).toHaveLength(9);
      for (const layer of layers) expect(layer).toMatch(/^stage\d\.block\d\.conv1$/);
    },
  );

  test("VGG: every convolution, none of which may lose its last neuron; not the classifier", () => {
    const { factors } = place(vgg, { neurons: 0.01 });
    const convolutions = vgg.nodes.filter(({ op }) => op === "convolution");
    expect(factors.map(({ layer }) => layer)).toEqual(convolutions.map(({ name }) => name));
    expect(factors.every(({ keepLast }) => keepLast)).toBe(true);
  });

  test("FastNet: every convolution but the frozen one, behind the batch norm although a pooling is between", () => {
    const { graph, factors } = place(model("fastnet-cifar"), { neurons: 0.01 });
    const groups = [1, 2, 3].flatMap((group) => [`group${group}.conv1`, `group${group}.conv2`]);
    expect(factors.map(({ layer }) => layer)).toEqual(groups);
    const makers = producers(graph);
    for (const node of graph.nodes.filter(({ op }) => op === "scale")) {
      expect(makers.get(node.inputs[0] ?? "")?.op).toBe("batch_normalization");
    }
    const refused = refusedLayers(model("fastnet-cifar")).find(({ layers }) => layers.includes("whitening.conv"));
    expect(refused?.reason).toBe("its weights are frozen");
  });

  test("they follow the batch norm and precede the activation", () => {
    const { graph, factors } = place(resnets.A, { neurons: 0.01 });
    const [makers, readersOf] = [producers(graph), readers(graph)];
    for (const { layer, parameter, count } of factors) {
      const scale = makers.get(`${layer}.neuron`);
      expect(scale).toMatchObject({ op: "scale", name: `${layer}.neuron`, attributes: { axis: 1 } });
      const norm = makers.get(scale?.inputs[0] ?? "");
      expect(norm?.op).toBe("batch_normalization");
      expect(norm?.inputs[0]).toBe(layer);
      expect(readersOf.get(`${layer}.neuron`)?.map(({ op }) => op)).toEqual(["relu"]);
      expect(graph.parameters).toContainEqual({
        ...{ name: parameter, shape: [count], kind: "factor" },
        scales: { kind: "neuron", layer },
      });
    }
  });

  test("without a batch norm they follow the layer itself, hidden linear layers included", () => {
    const b = new GraphBuilder("plain");
    const conv = b.relu("relu1", b.convolution("conv", b.input("images", ["N", 3, 6, 6]), { channels: 4, kernel: 3 }));
    b.output(b.linear("logits", b.relu("relu2", b.linear("hidden", b.flatten("flatten", conv), 5)), 3));
    const { graph, factors } = place(b.build(), { neurons: 0.01 });
    expect(factors.map(({ layer, count }) => [layer, count])).toEqual([
      ["conv", 4],
      ["hidden", 5],
    ]);
    expect(producers(graph).get("hidden.neuron")?.inputs[0]).toBe("hidden");
  });

  test("concatenation networks: every operand's layers; a factor is not its network's last", () => {
    const graph = classifier((b, x) => b.concatenation("cat", [unit(b, "a", x, 3), unit(b, "b", x, 2)]));
    const { factors } = place(graph, { neurons: 0.01 });
    expect(factors.map(({ layer, count, keepLast }) => [layer, count, keepLast])).toEqual([
      ["a", 3, false],
      ["b", 2, false],
    ]);
  });

  test("depthwise: the depthwise convolution, not the one before it, which has the same channels", () => {
    const graph = classifier((b, x) => unit(b, "depthwise", unit(b, "wide", x, 4), 4, 4));
    expect(layersOf(graph, { neurons: 0.01 })).toEqual(["depthwise"]);
    // Without batch norms either would do; once is enough.
    const bare = classifier((b, x) => {
      const wide = b.relu("relu", b.convolution("wide", x, { channels: 4, kernel: 1 }));
      return b.convolution("depthwise", wide, { channels: 4, kernel: 3, groups: 4 });
    });
    expect(layersOf(bare, { neurons: 0.01 })).toEqual(["depthwise"]);
  });

  test("not where a batch norm further on would shift a zero", () => {
    const graph = classifier((b, x) => {
      const first = b.convolution("first", x, { channels: 3, kernel: 1 });
      const joined = b.concatenation("cat", [x, first]);
      return unit(b, "second", b.relu("relu", b.batchNormalization("norm", joined)), 4);
    });
    expect(layersOf(graph, { neurons: 0.01 })).toEqual(["second"]);
  });
});

describe("groups", () => {
  test("one a group of a grouped convolution, behind its batch norm; no neurons in or before it", () => {
    const { graph, factors } = place(smallResnext, { groups: 0.01 });
    expect(factors).toHaveLength(6);
    for (const { layer, count, kind, keepLast } of factors) {
      expect(layer).toMatch(/^stage\d\.block\d\.conv2$/);
      expect([kind, count, keepLast]).toEqual(["group", 4, false]);
      expect(producers(graph).get(`${layer}.group`)?.inputs[0]).toBe(layer.replace("conv2", "norm2"));
    }
    // Both ends of the stem are free here: the first block of each stage has a shortcut convolution.
    expect(layersOf(smallResnext, { neurons: 0.01 })).toEqual(["stem.conv"]);
  });
});

test("one channel a group: groups where other convolutions have wider ones, neurons elsewhere", () => {
  const widths = place(resnext({ ...options, depth: 20 }), { groups: 0.01 }).factors;
  expect(widths.map(({ layer, count }) => [layer, count])).toEqual(
    [1, 2, 3].flatMap((stage) => [1, 2].map((block) => [`stage${stage}.block${block}.conv2`, 32])),
  );
  expect(structureKinds(model("mobilenet-v2-cifar", { size: 8 }))).not.toContain("group");
});

describe("blocks", () => {
  const withBlocks = { "ResNet, option A": resnets.A, "ResNet, option B": resnets.B, ResNeXt: smallResnext } as const;

  test.each(Object.entries(withBlocks))("%s: one an addition, on the branch, just before it", (_, graph) => {
    const { graph: placed, factors } = place(graph, { blocks: 0.01 });
    const additions = graph.nodes.filter(({ op }) => op === "add");
    expect(factors.map(({ layer }) => layer)).toEqual(additions.map(({ name }) => name));
    for (const { layer, count, keepLast } of factors) {
      expect([count, keepLast]).toEqual([1, false]);
      const addition = producers(placed).get(layer);
      expect(addition?.inputs[0]).toBe(`${layer}.block`);
      const original = additions.find(({ name }) => name === layer);
      expect(addition?.inputs[1]).toBe(original?.inputs[1]);
      expect(producers(placed).get(`${layer}.block`)?.inputs[0]).toMatch(/\.norm[23]$/);
    }
  });

  test("the branch is the deeper side, whichever operand it is", () => {
    const graph = classifier((b, x) =>
      b.add("add", x, b.batchNormalization("norm", b.convolution("conv", x, { channels: 3, kernel: 1 }))),
    );
    expect(producers(place(graph, { blocks: 1 }).graph).get("add")?.inputs).toEqual(["images", "add.block"]);
  });

  test("a sum of equals or of strangers is no block", () => {
    const equals = classifier((b, x) => b.add("add", unit(b, "a", x, 4), unit(b, "b", x, 4)));
    expect(structureKinds(equals)).not.toContain("block");
    const b = new GraphBuilder("strangers");
    b.output(b.add("add", b.input("x", ["N", 3, 6, 6]), unit(b, "a", b.input("y", ["N", 3, 6, 6]), 3)));
    expect(structureKinds(b.build())).toEqual([]);
  });

  test("factors before the addition: with all at zero the outputs still depend on the input", () => {
    for (const graph of [resnets.A, resnets.B]) {
      const { graph: placed, factors } = place(graph, { blocks: 0.01 });
      const zeros = Object.fromEntries(factors.map(({ parameter }) => [parameter, "all" as const]));
      const network = zeroFactors({ graph: placed, weights: randomWeights(placed, 4) }, zeros);
      const logits = outputs(network)["classifier"];
      // Two different images: the logits differ.
      const [first, second] = [logits?.data.slice(0, 10), logits?.data.slice(10)];
      expect(first?.some((value, index) => Math.abs(value - (second?.[index] ?? value)) > 1e-3)).toBe(true);
    }
  });
});

test("each factor changes the outputs", () => {
  const graph = classifier((b, x) => {
    const stem = unit(b, "stem", x, 4);
    const branch = unit(b, "conv2", unit(b, "conv1", stem, 4), 4, 2);
    const last = b.batchNormalization("norm3", b.convolution("conv3", branch, { channels: 4, kernel: 1 }));
    return b.concatenation("cat", [b.relu("out", b.add("add", last, stem)), unit(b, "side", x, 2)]);
  });
  const { graph: placed, factors } = place(graph, { neurons: 0.1, groups: 0.1, blocks: 0.1 });
  expect(factors.map(({ parameter }) => parameter)).toEqual([
    "conv2.group.factor",
    "add.block.factor",
    "side.neuron.factor",
  ]);
  const network = { graph: placed, weights: randomWeights(placed, 4) };
  for (const { parameter, count } of factors) {
    for (let index = 0; index < count; index++) {
      const changed = zeroFactors(network, { [parameter]: [index] });
      expect(outputDifference(network, changed), `${parameter} ${index}`).toBeGreaterThan(1e-4);
    }
  }
});

test("factors of one change nothing", () => {
  const { graph: placed, factors } = place(smallResnext, { neurons: 0.1, groups: 0.1, blocks: 0.1 });
  const weights = randomWeights(smallResnext, 4);
  const ones = factors.map(({ parameter, count }) => [parameter, filled([count], 1)] as const);
  const network = { graph: placed, weights: new Map([...weights, ...ones]) };
  expect(outputDifference({ graph: smallResnext, weights }, network)).toBe(0);
});

test("factors are read back from the graph", () => {
  const select = { neurons: 0.1, groups: 0.2, blocks: 0.3 };
  const { graph, factors } = place(smallResnext, select);
  expect(factorsOf(graph, select)).toEqual(factors);
  expect(factorsOf(graph)).toEqual(factors.map((factor) => ({ ...factor, gamma: 0 })));
  expect(factorsOf(smallResnext)).toEqual([]);
  expect(new Set(factors.map(({ kind, gamma }) => `${kind} ${gamma}`))).toEqual(
    new Set(["neuron 0.1", "group 0.2", "block 0.3"]),
  );
});

test("a factor parameter without a kind in its name is ignored", () => {
  const graph = classifier((b, x) => b.scale("attention", x, 3));
  expect(factorsOf(graph)).toEqual([]);
});

test("gamma feeds have the shape of the factors", () => {
  const { factors } = place(resnets.A, { neurons: 0.25, blocks: 2 });
  const feeds = gammaFeeds(gammasOf(factors));
  expect(Object.keys(feeds)).toHaveLength(factors.length);
  expect(feeds["stage1.block1.conv1.neuron.factor.gamma"]).toEqual(filled([16], 0.25));
  expect(feeds["stage1.block1.add.block.factor.gamma"]).toEqual(tensor([1], Float32Array.of(2)));
});

test("an empty selection places no factors", () => {
  expect(place(resnets.A, {})).toEqual({ graph: resnets.A, factors: [] });
});

describe("bad input", () => {
  test.each([-0.1, Number.NaN, Number.POSITIVE_INFINITY])("γ = %s", (gamma) => {
    expect(() => place(resnets.A, { neurons: gamma })).toThrow(UserError);
    expect(() => place(resnets.A, { neurons: gamma })).toThrow(/γ of neurons .*got (-0.1|NaN|Infinity)/);
  });

  test("an unknown kind is refused with the nearest name", () => {
    const select: Record<string, number> = { neuron: 0.1 };
    expect(() => place(resnets.A, select)).toThrow(/unknown kind of structure "neuron".*"neurons"/);
  });

  test("a kind that the network lacks is refused with those it has", () => {
    expect(() => place(vgg, { blocks: 0.1 })).toThrow(/vgg-16 has no blocks.*It has: neurons/);
    expect(() => place(resnets.A, { groups: 0.1 })).toThrow(/has no groups.*It has: neurons, blocks/);
    const b = new GraphBuilder("linear");
    b.output(b.linear("logits", b.input("x", ["N", 3]), 2));
    expect(() => place(b.build(), { neurons: 0.1 })).toThrow(/no structures that can be selected/);
  });

  test("a network that has factors already", () => {
    expect(() => place(place(resnets.A, { blocks: 0.1 }).graph, { neurons: 0.1 })).toThrow(/already/);
  });
});

test("no model mentions factors", () => {
  const folder = new URL("../../src/models/", import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith(".ts"));
  expect(files).toContain("resnet.ts");
  for (const file of files) {
    const text = readFileSync(new URL(file, folder), "utf8");
    expect(text, file).not.toMatch(/selection\/|λ|lambda|\.scale\(|"scale"/i);
  }
  for (const graph of [resnets.A, resnets.B, smallResnext, vgg]) {
    expect(graph.parameters.some(({ kind }) => kind === "factor")).toBe(false);
  }
});
