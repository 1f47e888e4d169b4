import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { model } from "../../src/models/zoo.ts";
import { factorsOf } from "../../src/selection/factors.ts";
import { bake, fold } from "../../src/selection/fold.ts";
import { place, refusedLayers, structureKinds } from "../../src/selection/place.ts";
import { structureCosts } from "../../src/selection/structure-costs.ts";
import { dense, families, invertedResiduals, postActivation, preActivation, twoWayDense } from "../pruning/families.ts";
import { outputDifference, randomWeights } from "../pruning/networks.ts";

/** λ parameter → the nodes whose outputs it scales, with the factor they begin at. */
function streamsOf(graph: Graph): Readonly<Record<string, readonly string[]>> {
  const { graph: placed, factors } = place(graph, { streams: 0.1 });
  return Object.fromEntries(
    factors.map(({ parameter, count }) => [
      `${parameter} ${count}`,
      placed.nodes.flatMap((node) =>
        node.op === "scale" && node.inputs[1] === parameter
          ? `${node.inputs[0]}${node.attributes.first === undefined ? "" : ` from ${node.attributes.first}`}`
          : [],
      ),
    ]),
  );
}

describe("where the factors of a stream sit", () => {
  test("post-activation, projected shortcuts: behind all that write it, a stream a stage", () => {
    expect(streamsOf(postActivation("B"))).toEqual({
      "stage1.unit1.add.stream.factor 4": ["stem.norm", "stage1.unit1.two", "stage1.unit2.two"],
      "stage2.unit1.add.stream.factor 8": ["stage2.unit1.two", "stage2.unit1.shortcut.norm", "stage2.unit2.two"],
      "stage3.unit1.add.stream.factor 12": ["stage3.unit1.two", "stage3.unit1.shortcut.norm", "stage3.unit2.two"],
    });
  });

  test("zero-padded shortcuts: one stream through all stages, of which each has a part", () => {
    expect(streamsOf(postActivation("A"))).toEqual({
      "stage1.unit1.add.stream.factor 12": [
        ...["stem.norm from 4", "stage1.unit1.two from 4", "stage1.unit2.two from 4"],
        ...["stage2.unit1.two from 2", "stage2.unit2.two from 2", "stage3.unit1.two", "stage3.unit2.two"],
      ],
    });
  });

  test("pre-activation: behind the batch norms that read it", () => {
    expect(streamsOf(preActivation())).toEqual({
      "stage1.unit1.add.stream.factor 8": ["stage1.unit2.pre.norm", "stage2.unit1.pre.norm"],
      "stage2.unit1.add.stream.factor 12": ["stage2.unit2.pre.norm", "head.norm"],
    });
  });

  test("pre-activation with a shortcut that reads the stream itself: at both ends", () => {
    expect(streamsOf(preActivation("stream"))).toMatchObject({
      "stage1.unit1.add.stream.factor 8": [
        ...["stage1.unit1.conv3", "stage1.unit1.shortcut", "stage1.unit2.pre.norm"],
        ...["stage1.unit2.conv3", "stage2.unit1.pre.norm"],
      ],
    });
  });

  test("dense blocks: after the batch norms that read the joined features, each with its run of the factors", () => {
    expect(streamsOf(dense(false))).toEqual({
      "block1.layer1.cat.stream.factor 18": [
        ...["block1.layer1.pre.norm from 0", "block1.layer2.pre.norm from 0", "block1.layer3.pre.norm from 0"],
        "transition.norm",
      ],
      "block2.layer1.cat.stream.factor 21": [
        ...["block2.layer1.pre.norm from 0", "block2.layer2.pre.norm from 0", "block2.layer3.pre.norm from 0"],
        "head.norm",
      ],
    });
  });

  test("inverted residuals: behind the projections; the depthwise layer has its feeder's neurons", () => {
    const graph = invertedResiduals();
    expect(streamsOf(graph)).toEqual({
      "unit3.add.stream.factor 6": ["unit2.project.norm", "unit3.project.norm", "unit4.project.norm"],
    });
    const { graph: placed, factors } = place(graph, { neurons: 0.1 });
    const costs = structureCosts(placed, factors).factors;
    const depthwise = costs.find(({ factor }) => factor.layer === "unit3.depthwise");
    expect(depthwise).toMatchObject({
      outputsOf: ["unit3.expand", "unit3.depthwise"],
      inputsOf: ["unit3.project"],
    });
    expect(factors.map(({ layer }) => layer)).not.toContain("unit3.expand");
  });

  test("every factor folds into the layers", () => {
    for (const graph of families) {
      const select = Object.fromEntries(structureKinds(graph).map((kind) => [`${kind}s`, 0.1]));
      const folded = fold(place(graph, select).graph);
      expect(folded.nodes.filter((node) => node.op === "scale" && node.attributes.axis === 1)).toEqual([]);
    }
  });
});

test("baked into the layers, factors change no output, also where layers take parts of a vector", () => {
  const graphs = families.map(
    (graph) => place(graph, Object.fromEntries(structureKinds(graph).map((kind) => [`${kind}s`, 0.1]))).graph,
  );
  const isPart = ({ nodes }: Graph): boolean =>
    nodes.some((node) => node.op === "scale" && (node.attributes.first ?? 0) > 0);
  expect(graphs.some(isPart)).toBe(true);
  for (const graph of graphs) {
    const network = { graph, weights: randomWeights(graph, 3) };
    expect(outputDifference(network, bake(network))).toBeLessThan(1e-5);
  }
});

describe("which kinds there are", () => {
  test.each([
    [preActivation(), ["neuron", "block", "stream"]],
    [dense(false), ["stream"]],
    [dense(true), ["neuron", "stream"]],
    [twoWayDense(), ["neuron"]],
    [model("vgg-16", { classes: 10 }), ["neuron"]],
  ] as const)("$name", (graph, kinds) => {
    expect(structureKinds(graph)).toEqual(kinds);
  });

  test("asking for another one lists them", () => {
    expect(() => place(dense(false), { neurons: 0.1 })).toThrow(/dense has no neurons to select.*It has: streams/);
    expect(() => place(twoWayDense(), { streams: 0.1 })).toThrow(/has no streams to select.*It has: neurons/);
  });
});

describe("factors of which one must stay", () => {
  test("a stream is on the only path; where it grows, the channels it begins with are", () => {
    const keeps = (graph: Graph): unknown =>
      place(graph, { streams: 0.1 }).factors.map(({ keepLast, keepRun }) => [keepLast, keepRun]);
    expect(keeps(postActivation("B"))).toEqual(Array.from({ length: 3 }, () => [true, undefined]));
    expect(keeps(postActivation("A"))).toEqual([[true, [4, 8]]]);
    expect(keeps(dense(false))).toEqual([
      [true, [0, 6]],
      [true, [0, 9]],
    ]);
  });

  test("is found again in a network with factors", () => {
    for (const graph of families) {
      const select = Object.fromEntries(structureKinds(graph).map((kind) => [`${kind}s`, 0.1]));
      const { graph: placed, factors } = place(graph, select);
      expect(factorsOf(placed, select)).toEqual(factors);
    }
  });
});

describe("layers that cannot have factors, and the reasons", () => {
  const classifier = (build: (b: GraphBuilder, images: string) => string): Graph => {
    const b = new GraphBuilder("refused");
    b.output(
      b.linear("logits", b.flatten("f", b.globalAveragePooling("p", build(b, b.input("images", ["N", 4, 6, 6])))), 3),
    );
    return b.build();
  };

  test("the output layer", () => {
    expect(refusedLayers(postActivation("B"))).toEqual([
      { layers: ["classifier"], reason: "its channels are the network's outputs" },
    ]);
  });

  test("what is added to the images", () => {
    const graph = classifier((b, x) => b.add("add", x, b.convolution("conv", x, { channels: 4, kernel: 1 })));
    expect(refusedLayers(graph)).toContainEqual({
      layers: ["conv"],
      reason: 'its channels are coupled to those of the input "images"',
    });
  });

  test("what a bias shifts after the zero", () => {
    const graph = classifier((b, x) => {
      const conv = b.convolution("conv", x, { channels: 5, kernel: 1 });
      return b.add("add", b.bias("shift", b.relu("relu", conv)), b.convolution("other", x, { channels: 5, kernel: 1 }));
    });
    expect(refusedLayers(graph)).toContainEqual({
      layers: ["conv", "other"],
      reason: '"shift" adds a shift to its channels after the factor',
    });
  });

  test.each<[string, (b: GraphBuilder, x: string) => string, string]>([
    ["a sigmoid", (b, x) => b.activation("gate", x, { function: "sigmoid" }), '"gate" (sigmoid) changes zeros to 0.5'],
    [
      "a hard sigmoid",
      (b, x) => b.activation("gate", x, { function: "hard_sigmoid", slope: 0.2, offset: 0.4 }),
      '"gate" (hard_sigmoid) changes zeros to 0.4',
    ],
    ["a softmax", (b, x) => b.softmax("gate", x), '"gate" (softmax) changes zeros to positive values'],
    [
      "a clip that leaves zero out",
      (b, x) => b.node("clip", "gate", [x], { minimum: 0.25, maximum: 6 }),
      '"gate" (clip) changes zeros to 0.25',
    ],
  ])("%s that changes zeros", (_, gate, reason) => {
    const graph = classifier((b, x) => {
      const conv = b.convolution("conv", x, { channels: 5, kernel: 1 });
      return b.add("add", gate(b, conv), b.convolution("other", x, { channels: 5, kernel: 1 }));
    });
    expect(refusedLayers(graph)).toContainEqual({ layers: ["conv", "other"], reason: `${reason} after the factor` });
  });

  test("streams joined so that no value has all of them", () => {
    const graph = classifier((b, x) => {
      const of = (name: string): string => b.convolution(name, x, { channels: 2, kernel: 1 });
      const [a, c] = [of("a"), of("c")];
      const pair = b.batchNormalization("n1", b.concatenation("cat1", [a, of("b")]));
      const other = b.batchNormalization("n2", b.concatenation("cat2", [a, c]));
      return b.add(
        "add",
        b.convolution("d", pair, { channels: 3, kernel: 1 }),
        b.convolution("e", other, { channels: 3, kernel: 1 }),
      );
    });
    expect(refusedLayers(graph)).toContainEqual({
      layers: ["a", "c", "b"],
      reason: "no value contains all channels of the stream",
    });
  });
});
