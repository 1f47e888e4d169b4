/**
 * Files of other tools, made by the scripts in `fixtures/`. The network that is read gives the same outputs as ONNX
 * Runtime does for the file. Written again, it still gives them and reads back as the same network.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { RandomStream } from "../../../src/core/random.ts";
import { createReferenceEngine } from "../../../src/engine/reference/index.ts";
import { openRuntime } from "../../../src/evaluation/onnx-runtime.ts";
import { loadOnnx } from "../../../src/formats/onnx/index.ts";
import { attributeMessage, decodeModel } from "../../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import type { Graph, Network } from "../../../src/graph/graph.ts";
import { bindBatch } from "../../../src/graph/shapes.ts";
import { compact } from "../../../src/pruning/compact.ts";
import { selectionKeys } from "../../../src/selection/factors.ts";
import { place, structureKinds } from "../../../src/selection/place.ts";
import { normal, relativeDifference } from "../../engine/random-data.ts";
import { randomWeights, zeroFactors } from "../../pruning/networks.ts";
import { floats, integers, node, onnxModel } from "./models.ts";

const folder = fileURLToPath(new URL("fixtures", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".onnx"));

function fixture(name: string): string {
  return join(folder, name);
}

/** The first output of `network`, or of a file in ONNX Runtime, for the same images. */
async function answers(of: Network | string | Uint8Array, { inputs, header }: Graph) {
  const [input] = inputs;
  if (input === undefined) throw new Error("no input");
  const batch = 3;
  const images = normal(bindBatch(input.shape, batch), 6, "images");
  if (typeof of === "string" || of instanceof Uint8Array) {
    const session = await openRuntime(of, "the file", { channelsLast: header?.channelsLast?.length === 1 });
    const results = await session.run(images);
    await session.dispose();
    return results.get(session.outputs[0] ?? "")?.data ?? new Float32Array();
  }
  const plan = createReferenceEngine().prepare(of.graph, { batch });
  plan.write(of.weights);
  return plan.run({ [input.name]: images })[of.graph.outputs[0] ?? ""]?.data ?? new Float32Array();
}

describe.each(files)("%s", (name) => {
  test("gives the outputs of ONNX Runtime, before and after it is written again", async () => {
    const network = await loadOnnx(fixture(name));
    const expected = await answers(fixture(name), network.graph);
    expect([12, 15]).toContain(expected.length);
    expect(relativeDifference(Float32Array.from(await answers(network, network.graph)), expected)).toBeLessThan(1e-5);
    const written = writeOnnx(network);
    expect(relativeDifference(await answers(written, network.graph), expected)).toBeLessThan(1e-5);
  });

  test("comes back as the same network", async () => {
    const network = await loadOnnx(fixture(name));
    const bytes = writeOnnx(network);
    const again = readOnnx(bytes, name);
    expect(again.graph).toEqual(network.graph);
    for (const [parameter, { data }] of again.weights) expect(data).toEqual(network.weights.get(parameter)?.data);
    expect(Buffer.from(writeOnnx(again)).equals(Buffer.from(bytes))).toBe(true);
  });
});

describe.each(files)("%s with random structures at zero", (name) => {
  test.each([0.2, 0.5, 0.8])("gives the same outputs after they are pruned: %f of all", async (share) => {
    const plain = await loadOnnx(fixture(name));
    const select = Object.fromEntries(structureKinds(plain.graph).map((kind) => [selectionKeys[kind], 0.01]));
    const { graph, factors } = place(plain.graph, select);
    const random = new RandomStream(share * 10, "zeros");
    const zeros = factors.map(({ parameter, count }): [string, number[]] => [
      parameter,
      Array.from({ length: count }, (_, index) => index).filter(() => random.uniform() < share),
    ]);
    const weights = new Map([...randomWeights(graph, 1), ...plain.weights]);
    const network = zeroFactors({ graph, weights }, Object.fromEntries(zeros));
    const { network: small, cuts } = compact(network);
    expect(cuts.steps.length > 0).toBe(zeros.some(([, channels]) => channels.length > 0));
    expect(small.graph.nodes.filter(({ op }) => op === "scale")).toEqual([]);
    const expected = await answers(network, graph);
    expect(relativeDifference(await answers(small, small.graph), expected)).toBeLessThan(1e-5);
    expect(relativeDifference(await answers(writeOnnx(small), graph), expected)).toBeLessThan(1e-5);
  });
});

describe("the metadata of a file", () => {
  test("is kept when the network is written", async () => {
    const before = decodeModel(readFileSync(fixture("notes.onnx")), "notes.onnx");
    const after = decodeModel(writeOnnx(await loadOnnx(fixture("notes.onnx"))), "written");
    for (const key of [
      "producerName",
      "producerVersion",
      "domain",
      "modelVersion",
      "docString",
      "irVersion",
    ] as const) {
      expect(after[key], key).toEqual(before[key]);
    }
    expect(after.opsetImport?.map(({ version }) => version)).toEqual(before.opsetImport?.map(({ version }) => version));
    expect(after.graph?.docString).toBe("And its graph.");
    expect(after.graph?.name).toBe(before.graph?.name);
    expect(after.metadataProps).toEqual(expect.arrayContaining([...(before.metadataProps ?? [])]));
    expect(after.graph?.input).toEqual(before.graph?.input);
    expect(after.graph?.output).toEqual(before.graph?.output);
    const arithmetic = ["Shape", "Constant", "Gather", "Unsqueeze", "Concat"];
    const names = ({ graph }: typeof before): (string | null | undefined)[] =>
      (graph?.node ?? []).filter(({ opType }) => !arithmetic.includes(opType ?? "")).map(({ name }) => name);
    expect(names(after)).toEqual(names(before));
    expect((after.graph?.initializer ?? []).map((one) => one.name).toSorted()).toEqual(
      (before.graph?.initializer ?? []).map((one) => one.name).toSorted(),
    );
  });

  test("is overridden by the metadata given to the writer", async () => {
    const written = writeOnnx(await loadOnnx(fixture("notes.onnx")), { metadata: { author: "someone else" } });
    const properties = new Map(decodeModel(written, "written").metadataProps?.map(({ key, value }) => [key, value]));
    expect(properties.get("author")).toBe("someone else");
    expect(properties.get("labels")).toContain("a");
  });
});

describe("channels-last images", () => {
  test("are also the input of the written file, under the same name", async () => {
    const network = await loadOnnx(fixture("keras.onnx"));
    const input = (file: Uint8Array) =>
      decodeModel(file, "keras.onnx").graph?.input?.map(({ name, type }) => [
        name,
        type?.tensorType?.shape?.dim?.slice(1).map(({ dimValue }) => Number(dimValue)),
      ]);
    expect(input(writeOnnx(network))).toEqual([["image", [16, 16, 3]]]);
    expect(input(readFileSync(fixture("keras.onnx")))).toEqual([["image", [16, 16, 3]]]);
  });

  test("may be scaled, shifted by channel and padded before they are transposed", () => {
    const bytes = onnxModel({
      features: [5, 4, 3],
      tensors: [
        floats("scale", [1 / 255], []),
        floats("mean", [0.1, 0.2, 0.3]),
        integers("pads", [0, 1, 0, 0, 0, 0, 1, 0]),
        floats(
          "weights",
          Array.from({ length: 6 }, (_, index) => index - 2),
          [2, 3, 1, 1],
        ),
      ],
      nodes: [
        node("Mul", ["x", "scale"], "scaled"),
        node("Sub", ["scaled", "mean"], "shifted"),
        node("Pad", ["shifted", "pads"], "padded"),
        node("Transpose", ["padded"], "turned", [attributeMessage("perm", [0, 3, 1, 2])]),
        node("Conv", ["turned", "weights"], "y"),
      ],
    });
    const { graph } = readOnnx(bytes, "keras-like.onnx");
    expect(graph.inputs[0]?.shape).toEqual(["N", 3, 5, 4]);
    expect(graph.nodes.map(({ op }) => op)).toEqual(["activation", "bias", "pad", "convolution"]);
    expect(graph.header?.channelsLast).toEqual(["x"]);
  });

  test("pass PRelu with a slope for each channel, before the first transpose and between transposes", async () => {
    const bytes = onnxModel({
      features: [5, 4, 3],
      tensors: [
        floats("first", [0.1, 0.2, -0.3], [1, 1, 3]),
        floats("second", [0.4, -0.5, 0.6]),
        floats("weights", [1, -2, 3, -4, 5, -6, 7, -8, 9], [3, 3, 1, 1]),
      ],
      nodes: [
        node("PRelu", ["x", "first"], "open"),
        node("Transpose", ["open"], "turned", [attributeMessage("perm", [0, 3, 1, 2])]),
        node("Conv", ["turned", "weights"], "maps"),
        node("Transpose", ["maps"], "last", [attributeMessage("perm", [0, 2, 3, 1])]),
        node("PRelu", ["last", "second"], "bent"),
        node("Transpose", ["bent"], "y", [attributeMessage("perm", [0, 3, 1, 2])]),
      ],
    });
    const network = readOnnx(bytes, "keras-like.onnx");
    expect(network.graph.nodes.map(({ op }) => op)).toEqual(["prelu", "convolution", "prelu"]);
    const expected = await answers(bytes, network.graph);
    expect(relativeDifference(await answers(network, network.graph), expected)).toBeLessThan(1e-5);
    expect(relativeDifference(await answers(writeOnnx(network), network.graph), expected)).toBeLessThan(1e-5);
  });

  test("stay channels last if a node reads them without a transpose", () => {
    const bytes = onnxModel({
      features: [4, 4, 4],
      nodes: [
        node("Transpose", ["x"], "turned", [attributeMessage("perm", [0, 3, 1, 2])]),
        node("Relu", ["turned"], "positive"),
        node("GlobalAveragePool", ["x"], "mean"),
        node("Mul", ["positive", "mean"], "y"),
      ],
    });
    const { graph } = readOnnx(bytes, "both.onnx");
    expect([graph.header?.channelsLast, graph.nodes[0]?.op]).toEqual([undefined, "transpose"]);
  });
});

describe("the helper nodes of exporters disappear", () => {
  test("dense layers at each pixel become 1 × 1 convolutions if no transpose is left", async () => {
    const numbers = (count: number) => Array.from({ length: count }, (_, index) => Math.sin(index + count));
    const bytes = onnxModel({
      features: [3, 5, 4],
      tensors: [
        floats("wide", numbers(18), [3, 6]),
        floats("wide.bias", numbers(6)),
        floats("narrow", numbers(12), [6, 2]),
      ],
      nodes: [
        node("Transpose", ["x"], "last", [attributeMessage("perm", [0, 2, 3, 1])]),
        node("MatMul", ["last", "wide"], "product"),
        node("Add", ["wide.bias", "product"], "sum"),
        node("Relu", ["sum"], "positive"),
        node("MatMul", ["positive", "narrow"], "logits"),
        node("Transpose", ["logits"], "y", [attributeMessage("perm", [0, 3, 1, 2])]),
      ],
    });
    const network = readOnnx(bytes, "pixels.onnx");
    expect(network.graph.nodes.map(({ op, inputs }) => [op, inputs.length])).toEqual([
      ["convolution", 3],
      ["relu", 1],
      ["convolution", 2],
    ]);
    const expected = await answers(bytes, network.graph);
    expect(relativeDifference(await answers(network, network.graph), expected)).toBeLessThan(1e-5);
    expect(relativeDifference(await answers(writeOnnx(network), network.graph), expected)).toBeLessThan(1e-5);
  });

  test("a constant added along rows does not become the bias of a dense layer at each pixel", async () => {
    const bytes = onnxModel({
      features: [3, 5, 4],
      tensors: [floats("matrix", [1, 2, 3, 4, 5, 6], [3, 2]), floats("rows", [1, 2, 3, 4, 5], [5, 1, 1])],
      nodes: [
        node("Transpose", ["x"], "last", [attributeMessage("perm", [0, 2, 3, 1])]),
        node("MatMul", ["last", "matrix"], "product"),
        node("Add", ["product", "rows"], "sum"),
        node("Transpose", ["sum"], "y", [attributeMessage("perm", [0, 3, 1, 2])]),
      ],
    });
    const network = readOnnx(bytes, "rows.onnx");
    expect(network.graph.nodes.map(({ op }) => op)).toEqual(["convolution", "transpose", "bias", "transpose"]);
    expect(relativeDifference(await answers(network, network.graph), await answers(bytes, network.graph))).toBeLessThan(
      1e-5,
    );
  });

  test.each(["products-17.onnx", "products-dynamo.onnx"])(
    "%s: a product and an addition are one linear layer",
    async (name) => {
      const { graph } = await loadOnnx(fixture(name));
      expect(graph.nodes.map(({ op }) => op)).toEqual(["convolution", "relu", "flatten", "linear"]);
      expect(graph.nodes.at(-1)?.inputs).toHaveLength(3);
    },
  );

  test("keras.onnx: no transpose is left, and its images have their channels first", async () => {
    const { graph } = await loadOnnx(fixture("keras.onnx"));
    expect(graph.nodes.filter(({ op }) => op === "transpose")).toEqual([]);
    expect(graph.inputs.map(({ name, shape }) => [name, shape])).toEqual([["image", ["N", 3, 16, 16]]]);
    expect(graph.nodes.filter(({ op }) => op === "flatten").map(({ attributes }) => attributes)).toEqual([
      { channelsLast: true },
    ]);
  });

  test("tf-residual.onnx: separate batch norms, additions and products do not prevent pruning", async () => {
    const { graph } = await loadOnnx(fixture("tf-residual.onnx"));
    expect(structureKinds(graph)).toEqual(["neuron", "block", "stream"]);
    const scaled = place(graph, { neurons: 0.01, streams: 0.01 }).graph.nodes.filter(({ op }) => op === "scale");
    expect(scaled.map(({ inputs }) => inputs[0]?.replace(/^.*\/model\//, ""))).toEqual([
      ...["conv1_bn", "conv2_0_bn", "conv2_1_bn", "conv2_2_bn"].map((norm) =>
        expect.stringContaining(`${norm}/batchnorm/sub`),
      ),
    ]);
  });

  test.each(files.filter((name) => name.startsWith("tf-")))("%s: no transpose is left", async (name) => {
    const { graph } = await loadOnnx(fixture(name));
    expect(graph.nodes.filter(({ op }) => op === "transpose")).toEqual([]);
    expect(graph.inputs[0]?.shape).toEqual(["N", 3, 16, 16]);
  });

  test("residual-9.onnx: dropout, empty padding and shape arithmetic are gone", async () => {
    const { graph } = await loadOnnx(fixture("residual-9.onnx"));
    expect(new Set(graph.nodes.map(({ op }) => op))).toEqual(
      new Set([
        "convolution",
        "batch_normalization",
        "relu",
        "max_pooling",
        "add",
        "average_pooling",
        "flatten",
        "linear",
      ]),
    );
  });
});
