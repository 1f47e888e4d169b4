/** Networks whose batch norms an exporter has merged into their convolutions. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { model, modelNames } from "../../src/models/zoo.ts";
import { convolutionsWithMergedNorms } from "../../src/training/start/batch-norms/merged-norms.ts";
import { tinyWithoutNorms } from "./tiny.ts";

const namesOf = (graph: Graph): readonly string[] => convolutionsWithMergedNorms(graph).map(({ name }) => name);
const three = { channels: 4, kernel: 3, padding: 1 } as const;
const biased = { ...three, bias: true } as const;

test("are found: all convolutions that a later layer reads", async () => {
  const file = fileURLToPath(new URL("fixtures/yolov8-cls-c2f-folded.onnx", import.meta.url));
  const { graph } = await loadOnnx(file);
  const all = graph.nodes.filter(({ op }) => op === "convolution").map(({ name }) => name);
  expect(all.length).toBeGreaterThan(5);
  expect(namesOf(graph)).toEqual(all);
  expect(namesOf(tinyWithoutNorms())).toEqual(["stem", "branch.conv1", "branch.conv2"]);
});

test("no network of the zoo that has batch norms is one of them", () => {
  for (const name of modelNames) {
    const graph = model(name, { classes: 10 });
    const hasNorms = graph.nodes.some(({ op }) => op === "batch_normalization");
    expect([name, hasNorms ? namesOf(graph) : []]).toEqual([name, []]);
  }
});

/** Folded convolutions, with whatever `build` puts behind them. */
function folded(build: (builder: GraphBuilder, stream: string) => string): Graph {
  const builder = new GraphBuilder("folded");
  let stream = builder.input("images", ["N", 3, 8, 8]);
  for (const name of ["a", "b", "c"]) stream = builder.relu(`${name}.relu`, builder.convolution(name, stream, biased));
  const last = build(builder, stream);
  builder.output(builder.linear("classifier", builder.flatten("flat", builder.globalAveragePooling("pool", last)), 3));
  return builder.build();
}

test("the layers of a gate over channels, and those of the head, keep their biases", () => {
  const graph = folded((builder, stream) => {
    const mean = builder.globalAveragePooling("mean", stream);
    const down = builder.relu("down.relu", builder.convolution("down", mean, { channels: 2, kernel: 1, bias: true }));
    const up = builder.convolution("up", down, { channels: 4, kernel: 1, bias: true });
    return builder.multiply("gate", stream, builder.activation("sigmoid", up, { function: "sigmoid" }));
  });
  expect(namesOf(graph)).toEqual(["a", "b", "c"]);
  const builder = new GraphBuilder("head");
  let stream = builder.input("images", ["N", 3, 8, 8]);
  for (const name of ["a", "b", "c"]) stream = builder.relu(`${name}.relu`, builder.convolution(name, stream, biased));
  const scores = builder.convolution("scores", stream, { channels: 3, kernel: 1, bias: true });
  builder.output(builder.flatten("flat", builder.globalAveragePooling("pool", scores)));
  expect(namesOf(builder.build())).toEqual(["a", "b", "c"]);
});

test("batch norms in front of convolutions may be left; one behind a convolution says that none was merged", () => {
  const before = folded((builder, stream) => {
    const normal = builder.relu("norm.relu", builder.batchNormalization("norm", stream));
    return builder.convolution("last", normal, three);
  });
  // The next batch norm normalises the channels of "c".
  expect(namesOf(before)).toEqual([]);
  const after = folded((builder, stream) =>
    builder.convolution("last", builder.batchNormalization("norm", builder.convolution("d", stream, three)), three),
  );
  expect(namesOf(after)).toEqual([]);
  const dense = folded((builder, stream) => {
    const next = builder.relu("d.relu", builder.convolution("d", stream, biased));
    const normal = builder.relu("norm.relu", builder.batchNormalization("norm", next));
    return builder.convolution("last", normal, three);
  });
  expect(namesOf(dense)).toEqual(["a", "b", "c"]);
});

test("networks of other norms, and those that make images larger, are as they were designed", () => {
  expect(
    namesOf(folded((builder, stream) => builder.normalization("norm", stream, { axes: [1], epsilon: 1e-5 }))),
  ).toEqual([]);
  expect(
    namesOf(folded((builder, stream) => builder.node("depth_to_space", "larger", [stream], { block: 2, mode: "DCR" }))),
  ).toEqual([]);
});
