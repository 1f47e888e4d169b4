/** Which nodes a runtime computes together, and what the layers are called in a latency table. */
import { expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { timedLayers } from "../../src/latency/timed-layers.ts";
import { model, modelNames } from "../../src/models/zoo.ts";
import { selectionKeys } from "../../src/selection/factors.ts";
import { place, structureKinds } from "../../src/selection/place.ts";

test("batch norms and activations belong to the layer before them, additions and poolings do not", () => {
  const builder = new GraphBuilder("network");
  const images = builder.input("images", ["N", 3, 16, 16]);
  const first = builder.convolution("first", images, { channels: 8, kernel: 3, padding: 1 });
  const stem = builder.relu("relu1", builder.batchNormalization("norm1", first));
  const second = builder.convolution("second", stem, { channels: 8, kernel: 3, padding: 1 });
  const sum = builder.add("add", builder.batchNormalization("norm2", second), stem);
  const pooled = builder.globalAveragePooling("pool", builder.relu("relu2", sum));
  builder.output(builder.linear("classifier", builder.flatten("flatten", pooled), 5));
  expect(
    timedLayers(builder.build()).map(({ key, members, outputs, inputs }) => [key, members, outputs, inputs]),
  ).toEqual([
    ["convolution 3x3, 16x16, relu", ["first", "norm1", "relu1"], 8, 3],
    ["convolution 3x3, 16x16", ["second", "norm2"], 8, 8],
    ["add, 16x16, relu", ["add", "relu2"], 8, 1],
    ["global average pooling, 16x16 to 1x1", ["pool"], 8, 1],
    ["flatten, 1x1", ["flatten"], 8, 1],
    ["linear", ["classifier"], 5, 8],
  ]);
});

test("a layer's name has strides, dilations and groups, not activations of a value that others read", () => {
  const builder = new GraphBuilder("network");
  const images = builder.input("images", ["N", 8, 16, 16]);
  const strided = builder.convolution("strided", images, { channels: 8, kernel: 3, padding: 1, strides: [2, 2] });
  const depthwise = builder.convolution("depthwise", strided, { channels: 8, kernel: 3, padding: 1, groups: 8 });
  const grouped = builder.convolution("grouped", depthwise, { channels: 8, kernel: 1, groups: 2 });
  builder.output(builder.add("add", grouped, builder.relu("relu", grouped)));
  expect(timedLayers(builder.build()).map(({ key, inputs }) => [key, inputs])).toEqual([
    ["convolution 3x3, stride 2, 16x16 to 8x8", 8],
    ["depthwise convolution 3x3, 8x8", 1],
    ["grouped convolution 1x1, 8x8", 4],
    ["relu, 8x8", 1],
    ["add, 8x8", 1],
  ]);
});

test.each(modelNames)("%s has the same layers with scaling factors as without", (name) => {
  const graph = model(name);
  const everyKind = Object.fromEntries(structureKinds(graph).map((kind) => [selectionKeys[kind], 0] as const));
  const scaled = timedLayers(place(graph, everyKind).graph);
  const plain = timedLayers(graph);
  expect(scaled.map(({ key, outputs, inputs }) => [key, outputs, inputs])).toEqual(
    plain.map(({ key, outputs, inputs }) => [key, outputs, inputs]),
  );
  // Every node is in one layer.
  expect(plain.flatMap(({ members }) => members).toSorted()).toEqual(
    graph.nodes.map(({ name: node }) => node).toSorted(),
  );
});
