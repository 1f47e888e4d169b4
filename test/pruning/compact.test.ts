import { describe, expect, test } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { filled, tensor } from "../../src/core/tensor.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Graph, Network, Node } from "../../src/graph/graph.ts";
import { inferShapes } from "../../src/graph/shapes.ts";
import { resnet } from "../../src/models/resnet.ts";
import { resnext } from "../../src/models/resnext.ts";
import { vgg16 } from "../../src/models/vgg.ts";
import { applyCuts } from "../../src/pruning/apply.ts";
import { type Compact, compact, cutList } from "../../src/pruning/compact.ts";
import { printCuts } from "../../src/pruning/print.ts";
import { bake } from "../../src/selection/fold.ts";
import { type Placement, place, type Selection } from "../../src/selection/place.ts";
import { outputDifference, randomWeights, zeroFactors, zeroRows } from "./networks.ts";

type Zeros = Readonly<Record<string, "all" | readonly number[]>>;

/** `graph` with factors, random numbers everywhere, and the factors in `zeros` at zero. */
function networkWith(graph: Graph, select: Selection, zeros: Zeros): Network {
  const { graph: placed } = place(graph, select);
  return zeroFactors({ graph: placed, weights: randomWeights(placed, 11) }, zeros);
}

/** The compact network, after checking that it gives the same outputs and cannot be cut further. */
function exactlyCompact(network: Network): Compact {
  const result = compact(network);
  expect(outputDifference(network, result.network)).toBeLessThan(1e-5);
  expect(compact(result.network).network).toEqual(result.network);
  return result;
}

function nodeOf({ graph }: Network, name: string): Node {
  const node = graph.nodes.find((one) => one.name === name);
  if (node === undefined) throw new Error(`no node ${name}`);
  return node;
}

function widths({ cuts }: Compact): Readonly<Record<string, number>> {
  return Object.fromEntries(cuts.layers.map(({ layer, kept }) => [layer, kept]));
}

/** conv1 – norm1 – relu1 – conv2 – norm2 – relu2 – head on "images" [N,3,6,6]. */
function sequential(head: (builder: GraphBuilder, src: string) => string): Graph {
  const b = new GraphBuilder("sequential");
  let value = b.input("images", ["N", 3, 6, 6]);
  for (const [index, channels] of [4, 5].entries()) {
    value = b.convolution(`conv${index + 1}`, value, { channels, kernel: 3, padding: 1 });
    value = b.relu(`relu${index + 1}`, b.batchNormalization(`norm${index + 1}`, value));
  }
  b.output(b.linear("logits", head(b, value), 3));
  return b.build();
}

const pooled = (b: GraphBuilder, src: string): string => b.flatten("flatten", b.globalAveragePooling("pool", src));

describe("sequential networks", () => {
  test("neurons at zero are cut from everything that writes or reads them", () => {
    const graph = sequential(pooled);
    const network = networkWith(
      graph,
      { neurons: 0.01 },
      { "conv1.neuron.factor": [1], "conv2.neuron.factor": [0, 4] },
    );
    const result = exactlyCompact(network);
    const shapes = inferShapes(result.network.graph, 1);
    expect(shapes.get("conv1.weights")).toEqual([3, 3, 3, 3]);
    expect(shapes.get("norm1.shift")).toEqual([3]);
    expect(shapes.get("conv2.weights")).toEqual([3, 3, 3, 3]);
    expect(shapes.get("logits.weights")).toEqual([3, 3]);
    expect(result.kept.get("relu2")).toEqual([1, 2, 3]);
    expect(result.kept.get("conv1")).toEqual([0, 2, 3]);
    expect(result.kept.get("logits")).toEqual([0, 1, 2]);
    expect(result.cuts.before).toEqual(cost(bake(network).graph));
    expect(result.cuts.after.macs).toBe(36 * 9 * (3 * 3 + 3 * 3) + 3 * 3);
  });

  test("without zeros nothing is cut, and the factors are only folded in", () => {
    const network = networkWith(sequential(pooled), { neurons: 0.01 }, {});
    const { network: same, cuts } = exactlyCompact(network);
    expect(cuts.steps).toEqual([]);
    expect(same).toEqual(bake(network));
    expect(same.graph).toEqual(sequential(pooled));
  });

  test("small factors are not pruned", () => {
    const graph = sequential(pooled);
    const network = networkWith(graph, { neurons: 0.01 }, {});
    const weights = new Map(network.weights).set("conv1.neuron.factor", filled([4], 1e-30));
    expect(compact({ graph: network.graph, weights }).cuts.steps).toEqual([]);
  });

  test("through flatten, a channel is a run of features of the linear layer", () => {
    const graph = sequential((b, src) => b.flatten("flatten", b.maxPooling("pool", src, { kernel: 3 })));
    const result = exactlyCompact(networkWith(graph, { neurons: 0.01 }, { "conv2.neuron.factor": [1, 2] }));
    expect(result.kept.get("flatten")).toEqual([0, 1, 2, 3, 12, 13, 14, 15, 16, 17, 18, 19]);
    expect(inferShapes(result.network.graph, 1).get("logits.weights")).toEqual([3, 12]);
  });

  test("hidden linear layers lose neurons too", () => {
    const graph = sequential((b, src) => b.relu("relu3", b.linear("hidden", pooled(b, src), 6)));
    const result = exactlyCompact(networkWith(graph, { neurons: 0.01 }, { "hidden.neuron.factor": [0, 5] }));
    expect(inferShapes(result.network.graph, 1).get("hidden.weights")).toEqual([4, 5]);
    expect(inferShapes(result.network.graph, 1).get("hidden.bias")).toEqual([4]);
    expect(inferShapes(result.network.graph, 1).get("logits.weights")).toEqual([3, 4]);
  });

  test("a layer on the only path keeps one channel, with a note", () => {
    const network = networkWith(sequential(pooled), { neurons: 0.01 }, { "conv2.neuron.factor": "all" });
    const result = exactlyCompact(network);
    expect(widths(result)).toEqual({ conv1: 1, conv2: 1, logits: 3 });
    expect(result.cuts.notes).toHaveLength(2);
    expect(result.cuts.notes.join()).toMatch(/conv2: none of its 5 channels affects the outputs.*keeps one/);
  });

  test("a layer that had one channel to begin with has no factor, and is not worth a note", () => {
    const b = new GraphBuilder("narrow");
    let value = b.convolution("wide", b.input("images", ["N", 3, 6, 6]), { channels: 6, kernel: 1 });
    value = b.convolution("narrow", b.relu("relu1", value), { channels: 1, kernel: 1 });
    b.output(b.linear("logits", pooled(b, b.relu("relu2", value)), 3));
    const placed = networkWith(b.build(), { neurons: 0.01 }, { "wide.neuron.factor": "all" });
    expect([...placed.weights.keys()]).not.toContain("narrow.neuron.factor");
    expect(exactlyCompact(placed).cuts.notes.map((note) => note.split(":")[0])).toEqual(["wide"]);
  });

  test("a depthwise convolution takes the channel before it along", () => {
    const b = new GraphBuilder("separable");
    let value = b.convolution("wide", b.input("images", ["N", 3, 6, 6]), { channels: 6, kernel: 1 });
    value = b.relu("relu1", b.batchNormalization("norm1", value));
    value = b.convolution("depthwise", value, { channels: 6, kernel: 3, padding: 1, groups: 6 });
    value = b.relu("relu2", b.batchNormalization("norm2", value));
    b.output(b.linear("logits", pooled(b, value), 3));
    const result = exactlyCompact(networkWith(b.build(), { neurons: 0.01 }, { "depthwise.neuron.factor": [0, 3] }));
    expect(widths(result)).toEqual({ wide: 4, depthwise: 4, logits: 3 });
    expect(nodeOf(result.network, "depthwise").attributes).toMatchObject({ groups: 4 });
    expect(result.kept.get("relu1")).toEqual([1, 2, 4, 5]);
  });
});

/** stem – one residual block of two convolutions – head; the shortcut is what `shortcut` makes of the stem. */
function residual(channels: number, shortcut: (builder: GraphBuilder, src: string) => string): Graph {
  const b = new GraphBuilder("residual");
  const stem = b.convolution("stem", b.input("images", ["N", 3, 6, 6]), { channels: 4, kernel: 3, padding: 1 });
  const stream = b.relu("relu0", b.batchNormalization("norm0", stem));
  let branch = b.convolution("conv1", stream, { channels: 5, kernel: 3, padding: 1 });
  branch = b.relu("relu1", b.batchNormalization("norm1", branch));
  branch = b.convolution("conv2", branch, { channels, kernel: 3, padding: 1 });
  branch = b.batchNormalization("norm2", branch);
  const sum = b.relu("relu2", b.add("add", branch, shortcut(b, stream)));
  b.output(b.linear("logits", pooled(b, sum), 3));
  return b.build();
}

const shortcuts = {
  identity: residual(4, (_, src) => src),
  convolution: residual(6, (b, src) =>
    b.batchNormalization("shortcut.norm", b.convolution("shortcut", src, { channels: 6, kernel: 1 })),
  ),
  "option A": residual(6, (b, src) => b.pad("shortcut", src, [0, 1, 0, 0], [0, 1, 0, 0])),
} as const;

describe.each(Object.entries(shortcuts))("a residual block, %s shortcut", (kind, graph) => {
  const operand = { identity: "relu0", convolution: "shortcut.norm", "option A": "shortcut" }[kind] ?? "";

  test("a block factor of zero leaves the shortcut", () => {
    const result = exactlyCompact(networkWith(graph, { blocks: 0.01 }, { "add.block.factor": "all" }));
    expect(result.cuts.removed).toEqual(expect.arrayContaining(["conv1", "norm1", "relu1", "conv2", "norm2", "add"]));
    // Padded channels are zero without the branch, and a pad that pads nothing is left out as well.
    expect(nodeOf(result.network, "relu2").inputs).toEqual([kind === "option A" ? "relu0" : operand]);
  });

  test("neurons of the branch are cut, the stream is not", () => {
    const result = exactlyCompact(networkWith(graph, { neurons: 0.01 }, { "conv1.neuron.factor": [0, 1, 4] }));
    expect(widths(result)).toMatchObject({ stem: 4, conv1: 2, conv2: kind === "identity" ? 4 : 6 });
  });

  test("a branch without neurons leaves its last shift, times the block's factor", () => {
    const network = networkWith(graph, { neurons: 0.01, blocks: 0.01 }, { "conv1.neuron.factor": "all" });
    const result = exactlyCompact(network);
    expect(nodeOf(result.network, "add")).toMatchObject({ op: "bias", inputs: [operand, "add.bias"] });
    // conv2 puts out zero, so norm2 puts out (0 − mean)/√(variance + ε)·scale + shift.
    const value = (name: string, channel: number): number => network.weights.get(name)?.data[channel] ?? Number.NaN;
    const carried = result.network.weights.get("add.bias")?.data ?? [];
    const channels = result.kept.get("add") ?? [];
    expect(carried.length).toBe(channels.length);
    // A padded channel that is the branch's negative constant alone is zero behind the activation: it may go.
    expect(channels.length).toBe({ identity: 4, convolution: 6, "option A": 5 }[kind]);
    for (const [index, channel] of channels.entries()) {
      const normal = -value("norm2.running_mean", channel) / Math.sqrt(value("norm2.running_variance", channel) + 1e-5);
      const expected = normal * value("norm2.scale", channel) + value("norm2.shift", channel);
      expect(carried[index]).toBeCloseTo(expected * value("add.block.factor", 0), 5);
    }
    expect(widths(result)).toMatchObject({ conv1: 0, conv2: 0 });
    expect(result.cuts.notes).toEqual([]);
  });
});

test("a channel that is zero only thanks to a carried constant stays zero", () => {
  const graph = shortcuts.identity;
  const { graph: placed } = place(graph, { neurons: 0.01 });
  // Channel 2 of the stem is the constant 0.25, that of the dead branch −0.5: their sum is cleared by the activation.
  const weights = randomWeights(placed, 11);
  const set = (name: string, value: number): void => {
    const values = weights.get(name);
    if (values !== undefined) weights.set(name, tensor(values.shape, values.data.with(2, value)));
  };
  set("norm0.scale", 0);
  set("norm0.shift", 0.25);
  set("norm2.scale", 0);
  set("norm2.shift", -0.5);
  const result = exactlyCompact(zeroFactors({ graph: placed, weights }, { "conv1.neuron.factor": "all" }));
  expect(result.kept.get("add")).toEqual([0, 1, 3]);
});

test("channels that only a removed branch wrote go from the whole stream", () => {
  const network = networkWith(shortcuts["option A"], { blocks: 0.01 }, { "add.block.factor": "all" });
  const result = exactlyCompact(network);
  // Channels 0 and 5 are padding: zero once the branch is gone.
  expect(result.kept.get("relu2")).toEqual([1, 2, 3, 4]);
  expect(result.network.graph.nodes.map(({ name }) => name)).not.toContain("shortcut");
});

test("an addition that is an output keeps its name", () => {
  const b = new GraphBuilder("output");
  const images = b.input("images", ["N", 3, 4, 4]);
  const branch = b.batchNormalization("norm", b.convolution("conv", images, { channels: 3, kernel: 1 }));
  b.output(b.add("sum", branch, images));
  const result = exactlyCompact(networkWith(b.build(), { blocks: 0.01 }, { "sum.block.factor": "all" }));
  expect(result.network.graph.nodes).toHaveLength(1);
  expect(nodeOf(result.network, "sum")).toMatchObject({ op: "bias", inputs: ["images", "sum.bias"] });
});

describe("grouped convolutions", () => {
  const b = new GraphBuilder("grouped");
  const stem = b.relu("relu0", b.convolution("stem", b.input("images", ["N", 3, 6, 6]), { channels: 4, kernel: 1 }));
  let branch = b.convolution("conv1", stem, { channels: 6, kernel: 1 });
  branch = b.relu("relu1", b.batchNormalization("norm1", branch));
  branch = b.convolution("conv2", branch, { channels: 9, kernel: 3, padding: 1, groups: 3 });
  branch = b.relu("relu2", b.batchNormalization("norm2", branch));
  branch = b.batchNormalization("norm3", b.convolution("conv3", branch, { channels: 4, kernel: 1 }));
  b.output(b.linear("logits", pooled(b, b.relu("relu3", b.add("add", branch, stem))), 3));
  const graph = b.build();

  test("a group goes with the channels it reads and writes", () => {
    const result = exactlyCompact(networkWith(graph, { groups: 0.01 }, { "conv2.group.factor": [1] }));
    expect(nodeOf(result.network, "conv2").attributes).toMatchObject({ groups: 2 });
    expect(result.kept.get("relu1")).toEqual([0, 1, 4, 5]);
    expect(result.kept.get("conv2")).toEqual([0, 1, 2, 6, 7, 8]);
    expect(inferShapes(result.network.graph, 1).get("conv2.weights")).toEqual([6, 2, 3, 3]);
  });

  test("part of a group stays, until the group is the only one left", () => {
    const network = zeroFactors(bake(networkWith(graph, {}, {})), {
      "norm2.scale": [0, 3, 4, 5],
      "norm2.shift": [0, 3, 4, 5],
    });
    expect(exactlyCompact(network).kept.get("conv2")).toEqual([0, 1, 2, 6, 7, 8]);
    const last = zeroFactors(network, { "norm2.scale": [6, 7, 8], "norm2.shift": [6, 7, 8] });
    expect(exactlyCompact(last).kept.get("conv2")).toEqual([1, 2]);
  });

  test("all groups dead leave a constant", () => {
    const result = exactlyCompact(networkWith(graph, { groups: 0.01 }, { "conv2.group.factor": "all" }));
    expect(nodeOf(result.network, "add").op).toBe("bias");
  });
});

describe("concatenation", () => {
  const b = new GraphBuilder("concatenated");
  const images = b.input("images", ["N", 3, 6, 6]);
  const part = (name: string, channels: number): string =>
    b.relu(`${name}.relu`, b.batchNormalization(`${name}.norm`, b.convolution(name, images, { channels, kernel: 1 })));
  const joined = b.concatenation("cat", [part("a", 3), part("b", 2), part("c", 4)]);
  b.output(b.linear("logits", pooled(b, b.relu("relu", b.convolution("tail", joined, { channels: 2, kernel: 1 }))), 3));
  const graph = b.build();

  test("channels keep their places", () => {
    const zeros: Zeros = { "a.neuron.factor": [0], "c.neuron.factor": [1, 2] };
    const result = exactlyCompact(networkWith(graph, { neurons: 0.01 }, zeros));
    expect(result.kept.get("cat")).toEqual([1, 2, 3, 4, 5, 8]);
  });

  test("an operand that lost everything is dropped, and a single one needs no concatenation", () => {
    const two = exactlyCompact(networkWith(graph, { neurons: 0.01 }, { "b.neuron.factor": "all" }));
    expect(nodeOf(two.network, "cat").inputs).toEqual(["a.relu", "c.relu"]);
    expect(widths(two)).toMatchObject({ b: 0 });
    const zeros: Zeros = { "a.neuron.factor": "all", "b.neuron.factor": "all" };
    const one = exactlyCompact(networkWith(graph, { neurons: 0.01 }, zeros));
    expect(one.cuts.removed).toContain("cat");
    expect(nodeOf(one.network, "tail").inputs[0]).toBe("c.relu");
  });
});

describe("the models", () => {
  const options = { classes: 10, size: 8 };
  const everything = { neurons: 0.01, blocks: 0.01 };
  test.each([
    ["resnet-20, A", place(resnet({ ...options, depth: 20 }), everything)],
    ["resnet-20, B", place(resnet({ ...options, depth: 20, shortcut: "B" }), everything)],
    [
      "resnext-20",
      place(resnext({ ...options, depth: 20, cardinality: 4, groupWidth: 3 }), { ...everything, groups: 0.01 }),
    ],
  ] as const)("%s with half of the structures at zero", (_, { graph }: Placement) => {
    const network = zeroRows({ graph, weights: randomWeights(graph, 3) }, ["factor"], 0.5, 9);
    const { cuts } = exactlyCompact(network);
    expect(cuts.after.macs).toBeLessThan(0.8 * cuts.before.macs);
    expect(cuts.after.parameters).toBeLessThan(0.8 * cuts.before.parameters);
  });

  test("vgg-16 with half of the neurons at zero has a quarter of the inner MACs", () => {
    const { graph, factors } = place(vgg16({ classes: 10 }), { neurons: 0.01 });
    const zeros = Object.fromEntries(
      factors.map(({ parameter, count }) => [parameter, Array.from({ length: count / 2 }, (_, index) => 2 * index)]),
    );
    const ones = new Map(graph.parameters.map(({ name, shape }) => [name, filled(shape, 1)]));
    const { cuts } = compact(zeroFactors({ graph, weights: ones }, zeros));
    expect(cuts.layers.slice(0, -1).every(({ total, kept }) => kept === total / 2)).toBe(true);
    expect(cuts.after.macs / cuts.before.macs).toBeGreaterThan(0.25);
    expect(cuts.after.macs / cuts.before.macs).toBeLessThan(0.26);
  });
});

describe("a cut list", () => {
  const network = networkWith(shortcuts.identity, { neurons: 0.01, blocks: 0.01 }, { "conv1.neuron.factor": [0, 1] });

  test("is plain JSON and can be replayed, on the network with factors as on the folded one", () => {
    const list = cutList(network);
    const copy = JSON.parse(JSON.stringify(list));
    expect(copy).toEqual(list);
    expect(applyCuts(network, copy)).toEqual(compact(network).network);
    expect(applyCuts(bake(network), copy)).toEqual(compact(network).network);
  });

  test("for another network is refused", () => {
    const list = cutList(network);
    const other = networkWith(sequential(pooled), {}, {});
    expect(() => applyCuts(other, list)).toThrow(UserError);
    const bypassing = cutList(networkWith(shortcuts.identity, { blocks: 0.01 }, { "add.block.factor": "all" }));
    expect(() => applyCuts(other, bypassing)).toThrow(/names "add"/);
  });

  test("prints layers, shortcuts, constants and notes", () => {
    const text = printCuts(cutList(network));
    expect(text).toMatch(/^residual: MACs .* → .* \(\d+\.\d %\), parameters /);
    expect(text).toMatch(/conv1 +3\/5 +−2/);
    expect(text).toMatch(/conv2 +4\/4$/m);
    const gone = networkWith(shortcuts.identity, { blocks: 0.01 }, { "add.block.factor": "all" });
    expect(printCuts(cutList(gone))).toMatch(/conv1 +0\/5 +removed[\s\S]*add: replaced by relu0$/m);
    const constant = networkWith(shortcuts.identity, { neurons: 0.01 }, { "conv1.neuron.factor": "all" });
    expect(printCuts(cutList(constant))).toMatch(/add: replaced by relu0 plus a constant, 4 of 4 channels not zero/);
    const dead = networkWith(sequential(pooled), { neurons: 0.01 }, { "conv1.neuron.factor": "all" });
    expect(printCuts(cutList(dead))).toMatch(/Notes\n {2}conv1: none of its 4 channels/);
  });
});

test("does not change the input weights", () => {
  const network = networkWith(sequential(pooled), { neurons: 0.01 }, { "conv1.neuron.factor": [2] });
  const before = new Map([...network.weights].map(([name, { shape, data }]) => [name, tensor(shape, data.slice())]));
  compact(network);
  expect(network.weights).toEqual(before);
});
