import { describe, expect, test } from "vitest";
import { decodeModel, encodeModel } from "../../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import { initialize } from "../../../src/models/initialize.ts";
import { model } from "../../../src/models/zoo.ts";

function written(graph: Graph): Uint8Array {
  return writeOnnx({ graph, weights: initialize(graph, 1) });
}

/** The file of `graph` with each entry of the metadata changed. */
function withEntries(graph: Graph, change: (key: string, value: string) => string): Uint8Array {
  const { metadataProps = [], ...message } = decodeModel(written(graph), "network.onnx");
  const changed = metadataProps.map(({ key, value }) => ({ key, value: change(key ?? "", value ?? "") }));
  return encodeModel({ ...message, metadataProps: changed });
}

function small(): Graph {
  const builder = new GraphBuilder("small");
  const src = builder.input("images", ["N", 3, 8, 8]);
  const conv = builder.convolution("conv", src, {
    ...{ channels: 24, kernel: 2 },
    weights: { initial: { kind: "whitening", epsilon: 5e-4 }, isFrozen: true },
  });
  const pooled = builder.globalAveragePooling(
    "pool",
    builder.batchNormalization("norm", conv, { isScaleFrozen: true }),
  );
  builder.output(
    builder.linear("fc", builder.flatten("flat", pooled), 2, { weights: { initial: { kind: "uniform" } } }),
  );
  return builder.build();
}

const notesOf = ({ parameters }: Graph) =>
  parameters.flatMap(({ name, initial, isFrozen }) =>
    initial === undefined && isFrozen === undefined ? [] : [{ name, initial, isFrozen }],
  );

describe("how parameters start, and whether they are frozen", () => {
  test("comes back from a file", () => {
    expect(notesOf(readOnnx(written(small()), "network.onnx").graph)).toEqual([
      { name: "conv.weights", initial: { kind: "whitening", epsilon: 5e-4 }, isFrozen: true },
      { name: "norm.scale", initial: undefined, isFrozen: true },
      { name: "fc.weights", initial: { kind: "uniform" }, isFrozen: undefined },
    ]);
    const graph = model("fastnet-cifar");
    const read = readOnnx(written(graph), "network.onnx").graph;
    expect(read).toEqual(graph);
    expect(read.header).toBeUndefined();
  });

  test("is told in words, and words of later versions are passed over", () => {
    const keys: string[] = [];
    const bytes = withEntries(small(), (key, value) => {
      keys.push(`${key}: ${value}`);
      return key.endsWith("conv.weights") ? "later=3 frozen whitening=oops" : value;
    });
    expect(keys).toEqual([
      "espalier.parameter.conv.weights: frozen whitening=0.0005",
      "espalier.parameter.norm.scale: frozen",
      "espalier.parameter.fc.weights: uniform",
    ]);
    expect(notesOf(readOnnx(bytes, "later.onnx").graph)[0]).toEqual({
      name: "conv.weights",
      initial: undefined,
      isFrozen: true,
    });
  });

  test("of networks without any adds nothing to their files", () => {
    const { metadataProps = [] } = decodeModel(written(model("resnet-20")), "network.onnx");
    expect(metadataProps.filter(({ key }) => key?.includes("parameter"))).toEqual([]);
  });
});
