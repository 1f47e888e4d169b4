import { describe, expect, it } from "vitest";
import { decodeModel, encodeModel } from "../../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph, ScaledStructures } from "../../../src/graph/graph.ts";
import { initialize } from "../../../src/models/initialize.ts";
import { model } from "../../../src/models/zoo.ts";
import { factorsOf } from "../../../src/selection/factors.ts";
import { place } from "../../../src/selection/place.ts";

const written = (graph: Graph): Uint8Array => writeOnnx({ graph, weights: initialize(graph, 1) });

/** A network whose factors are `scales`, under a name that says something else. */
function withFactor(scales: ScaledStructures): Graph {
  const builder = new GraphBuilder("misnamed");
  const image = builder.input("image", ["N", 3, 8, 8]);
  const conv = builder.convolution("conv", image, { channels: 4, kernel: 3, padding: 1 });
  const scaled = builder.scale("other.block", conv, 4);
  builder.output(builder.linear("classifier", builder.flatten("flat", scaled), 2));
  const graph = builder.build();
  return {
    ...graph,
    parameters: graph.parameters.map((one) => (one.kind === "factor" ? { ...one, scales } : one)),
  };
}

describe("factors in an ONNX file", () => {
  it.each([
    ["resnet-20", { neurons: 0.1, blocks: 0.2 }],
    ["resnext-50", { groups: 0.1 }],
    ["densenet-40", { streams: 0.1 }],
  ] as const)("of %s come back", (name, select) => {
    const { graph, factors } = place(model(name), select);
    const read = readOnnx(written(graph), "network.onnx").graph;
    expect(factorsOf(read, select)).toEqual(factors);
    expect(factors.length).toBeGreaterThan(0);
    expect(read.header?.metadata).toBeUndefined();
  });

  it("are what the file says they are, whatever their names", () => {
    const graph = withFactor({ kind: "neuron", layer: "a layer with blanks" });
    const [factor, ...others] = factorsOf(readOnnx(written(graph), "network.onnx").graph);
    expect(factor).toMatchObject({ parameter: "other.block.factor", kind: "neuron", layer: "a layer with blanks" });
    expect(others).toEqual([]);
  });

  it("are told from their names in files of earlier versions, which have no entries", () => {
    const { graph, factors } = place(model("resnet-20"), { neurons: 0, blocks: 0 });
    const { metadataProps = [], ...message } = decodeModel(written(graph), "network.onnx");
    expect(metadataProps.map(({ key }) => key)).toEqual(
      expect.arrayContaining(factors.map(({ parameter }) => `espalier.factor.${parameter}`)),
    );
    expect(factorsOf(readOnnx(encodeModel(message), "old.onnx").graph)).toEqual(factors);
  });
});
