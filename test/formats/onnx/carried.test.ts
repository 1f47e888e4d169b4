/** Nodes before and behind a network that are not read: found, kept, and written again with the same answers. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { InferenceSession } from "onnxruntime-node";
import { describe, expect, it, test } from "vitest";
import { RandomStream } from "../../../src/core/random.ts";
import { loadSession } from "../../../src/evaluation/onnx-runtime.ts";
import { onnxRuntime } from "../../../src/evaluation/runtime-library.ts";
import { runtimeClassifierOf } from "../../../src/evaluation/runtime-logits.ts";
import { loadOnnx, saveOnnx } from "../../../src/formats/onnx/index.ts";
import { attributeMessage, decodeModel, valueMessage } from "../../../src/formats/onnx/proto.ts";
import { encode } from "../../../src/formats/onnx/protobuf/encode.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import type { Network } from "../../../src/graph/graph.ts";
import { readEvents } from "../../../src/training/run-folder/event-log.ts";
import { train } from "../../../src/training/train.ts";
import { temporaryFolder, tinyDataset } from "../../training/tiny.ts";
import { floats, integers, node, onnxModel } from "./models.ts";

const folder = temporaryFolder();
const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/carried/${name}.onnx`, import.meta.url));

/** The outputs `names` of `file` in ONNX Runtime. */
async function outputsOf(
  file: string | Uint8Array,
  feeds: InferenceSession.FeedsType,
  names: readonly string[],
): Promise<readonly (readonly unknown[])[]> {
  const session = await loadSession(file, "a file of the test");
  const results = await session.run(feeds, names);
  await session.release();
  return names.map((name) => Array.from(Object(results[name]).data as Iterable<unknown>));
}

function images(dims: readonly number[], seed = 1): InferenceSession.OnnxValueMapType[string] {
  const random = new RandomStream(seed, "images");
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => random.normal());
  return new (onnxRuntime().Tensor)("float32", data, dims);
}

function opsOf(nodes: readonly { readonly op: string }[] | undefined): string {
  return (nodes ?? []).map(({ op }) => op).join();
}

describe("behind the network", () => {
  it("labels and maps of probabilities are found by themselves and written again", async () => {
    const network = await loadOnnx(fixture("labels"));
    expect(network.graph.outputs).toEqual(["logits"]);
    expect(opsOf(network.graph.header?.carried?.behind)).toBe("Softmax,ZipMap,ArgMax");
    const written = writeOnnx(network);
    const before = decodeModel(readFileSync(fixture("labels")), "labels");
    const after = decodeModel(written, "written");
    expect(after.opsetImport).toContainEqual({ domain: "ai.onnx.ml", version: 1 });
    expect(after.graph?.output).toEqual(before.graph?.output);
    const feeds = { images: images([3, 2, 6, 6]) };
    expect(await outputsOf(written, feeds, ["label"])).toEqual(
      await outputsOf(readFileSync(fixture("labels")), feeds, ["label"]),
    );
    const again = readOnnx(written, "written");
    expect(again.graph).toEqual({ ...network.graph, header: { ...again.graph.header } });
    expect(writeOnnx(again)).toEqual(written);
  });

  it("the decoding of a detector computes the same boxes, for any batch", async () => {
    const outputs = ["map0", "map1", "map2"];
    const network = await loadOnnx(fixture("detector"), { outputs });
    expect(network.graph.outputs).toEqual(outputs);
    const written = writeOnnx(network);
    for (const batch of [1, 3]) {
      const feeds = { images: images([batch, 3, 16, 16]) };
      const names = ["detections", "places"];
      const [theirs = [], theirPlaces] = await outputsOf(readFileSync(fixture("detector")), feeds, names);
      const [ours = [], ourPlaces] = await outputsOf(written, feeds, names);
      expect(ourPlaces).toEqual(theirPlaces);
      for (const [index, value] of ours.entries()) expect(value).toBeCloseTo(Number(theirs[index]), 5);
    }
  });
});

describe("before the network", () => {
  it("casting, transposing and resizing are carried, and normalising is read", async () => {
    const network = await loadOnnx(fixture("prepared"));
    expect(network.graph.inputs).toEqual([{ name: "resized", dtype: "f32", shape: ["N", 2, 6, 6] }]);
    expect(opsOf(network.graph.header?.carried?.before)).toBe("Cast,Transpose,Resize");
    const written = writeOnnx(network);
    const random = new RandomStream(3, "bytes");
    const bytes = Uint8Array.from({ length: 9 * 11 * 2 }, () => random.integer(256));
    const feeds = { bytes: new (onnxRuntime().Tensor)("uint8", bytes, [1, 9, 11, 2]) };
    const [theirs = []] = await outputsOf(readFileSync(fixture("prepared")), feeds, ["logits"]);
    const [ours = []] = await outputsOf(written, feeds, ["logits"]);
    for (const [index, value] of ours.entries()) expect(value).toBeCloseTo(Number(theirs[index]), 4);
    expect(writeOnnx(readOnnx(written, "written"))).toEqual(written);
  });
});

describe("integers before the network", () => {
  it("stay integers until they are cast: the network begins behind the cast", async () => {
    const bytes = onnxModel({
      features: [3, 3, 2],
      nodes: [
        node("Transpose", ["x"], "turned", [attributeMessage("perm", [0, 3, 1, 2])]),
        node("Mul", ["turned", "two"], "doubled"),
        node("Cast", ["doubled"], "cast", [attributeMessage("to", 1)]),
        node("Conv", ["cast", "w"], "y"),
      ],
      tensors: [floats("w", [1, 2, 3, 4], [2, 2, 1, 1]), { name: "two", dataType: 6, dims: [], int32Data: [2] }],
      change: ({ graph }) => graph?.input?.splice(0, 1, valueMessage("x", 6, ["batch", 3, 3, 2])),
    });
    const network = readOnnx(bytes, "integers");
    expect(opsOf(network.graph.header?.carried?.before)).toBe("Transpose,Mul,Cast");
    const pixels = Int32Array.from({ length: 18 }, (_, index) => (index * 7) % 11);
    const feeds = { x: new (onnxRuntime().Tensor)("int32", pixels, [1, 3, 3, 2]) };
    expect(await outputsOf(writeOnnx(network), feeds, ["y"])).toEqual(await outputsOf(bytes, feeds, ["y"]));
  });
});

/** Encoded: a graph without inputs that makes `output` by `opType` of the value "gate" of the graph around it. */
function branch(opType: string, output: string): Uint8Array {
  return encode("GraphProto", {
    name: output,
    node: [node(opType, ["gate"], output)],
    output: [{ name: output, type: { tensorType: { elemType: 1 } } }],
  });
}

describe("behind the network, what nodes need beyond their inputs is kept:", () => {
  const tensors = [floats("w", [1, 2, 3, 4], [2, 2, 1, 1]), floats("zero", [0], [])];
  const feeds = { x: images([2, 2, 3, 3]) };

  it("values that graphs inside them read", async () => {
    const bytes = onnxModel({
      features: [2, 3, 3],
      nodes: [
        node("Conv", ["x", "w"], "a"),
        node("Sigmoid", ["a"], "gate"),
        node("ReduceSum", ["a"], "sum", [attributeMessage("keepdims", 0)]),
        node("Greater", ["sum", "zero"], "asks"),
        node("If", ["asks"], "y", [
          { name: "then_branch", type: 5, g: branch("Identity", "first") },
          { name: "else_branch", type: 5, g: branch("Neg", "second") },
        ]),
      ],
      tensors,
    });
    const written = writeOnnx(readOnnx(bytes, "branches", undefined, { outputs: ["a"] }));
    expect(await outputsOf(written, feeds, ["y"])).toEqual(await outputsOf(bytes, feeds, ["y"]));
  });

  it("functions of the file", async () => {
    // FunctionProto: name 1, input 4, output 5, node 7, opset_import 9, domain 10.
    const text = (field: number, value: string): number[] => [field * 8 + 2, value.length, ...Buffer.from(value)];
    const inner = encode("NodeProto", node("Add", ["a", "a"], "b"));
    const opset = encode("OperatorSetIdProto", { domain: "", version: 17 });
    const twice = Uint8Array.from([
      ...[...text(1, "Twice"), ...text(4, "a"), ...text(5, "b"), 7 * 8 + 2, inner.length, ...inner],
      ...[9 * 8 + 2, opset.length, ...opset, ...text(10, "own")],
    ]);
    const model = onnxModel({
      features: [2, 3, 3],
      nodes: [node("Conv", ["x", "w"], "a"), { ...node("Twice", ["a"], "y"), domain: "own" }],
      tensors,
      change: ({ opsetImport }) => opsetImport?.push({ domain: "own", version: 1 }),
    });
    const bytes = Buffer.concat([model, encode("RawModelProto", { functions: [twice] })]);
    const written = writeOnnx(readOnnx(bytes, "functions"));
    expect(await outputsOf(written, feeds, ["y"])).toEqual(await outputsOf(bytes, feeds, ["y"]));
    expect(writeOnnx(readOnnx(written, "written"))).toEqual(written);
  });
});

/** x → conv a → relu b → conv c → Elu-like unread op → y, with an output inside if `isInside`. */
function small(isInside = false): Uint8Array {
  const shape = [2, 2, 1, 1];
  return onnxModel({
    features: [2, 3, 3],
    nodes: [
      node("Conv", ["x", "w1"], "a"),
      node("Relu", ["a"], "b"),
      node("Conv", ["b", "w2"], "c"),
      node("ArgMax", ["c"], "y", [attributeMessage("axis", 1)]),
    ],
    tensors: [floats("w1", [1, 2, 3, 4], shape), floats("w2", [4, 3, 2, 1], shape), integers("unused", [1])],
    change: ({ graph }) => {
      if (graph?.output === undefined) return;
      graph.output = [valueMessage("y", 7, ["batch", 1, 3, 3])];
      if (isInside) graph.output.push(valueMessage("b", 1, ["batch", 2, 3, 3]));
    },
  });
}

describe("named outputs", () => {
  it("may lie before nodes that could be read: these are carried too", () => {
    const network = readOnnx(small(), "small", undefined, { outputs: ["a"] });
    expect(network.graph.nodes.map(({ op }) => op)).toEqual(["convolution"]);
    expect(opsOf(network.graph.header?.carried?.behind)).toBe("Relu,Conv,ArgMax");
    expect(readOnnx(writeOnnx(network), "again").graph.outputs).toEqual(["a"]);
  });

  it("leave out an output of the file that lies inside the network", () => {
    const network = readOnnx(small(true), "small", undefined, { outputs: ["c"] });
    expect(network.graph.header?.carried?.dropped).toEqual(["b"]);
    expect(decodeModel(writeOnnx(network), "written").graph?.output?.map(({ name }) => name)).toEqual(["y"]);
  });

  it("that do not exist are refused with the nearest that does", () => {
    expect(() => readOnnx(small(), "small", undefined, { outputs: ["cc"] })).toThrow('Did you mean "c"?');
  });
});

test("a layer behind what cannot be read is not carried: the file is refused", () => {
  const bytes = onnxModel({
    features: [2, 3, 3],
    nodes: [
      node("Conv", ["x", "w1"], "a"),
      node("Unheard", ["a"], "b"),
      node("Conv", ["b", "w2"], "c"),
      node("Relu", ["c"], "y"),
    ],
    tensors: [floats("w1", [1, 2, 3, 4], [2, 2, 1, 1]), floats("w2", [4, 3, 2, 1], [2, 2, 1, 1])],
  });
  expect(() => readOnnx(bytes, "small")).toThrow("Unheard");
});

test("nodes of an older opset get the forms of the one that is written, or are refused", () => {
  const file = (op: string, attribute: string): Uint8Array =>
    onnxModel({
      features: [2, 3, 1],
      opset: 11,
      nodes: [
        node("Conv", ["x", "w1"], "a"),
        node(op, ["a"], "b", [attributeMessage(attribute, [3])]),
        node("ArgMax", ["b"], "y"),
      ],
      tensors: [floats("w1", [1, 2, 3, 4], [2, 2, 1, 1])],
      change: ({ graph }) => {
        if (graph?.output !== undefined) graph.output = [valueMessage("y", 7, [1, 2, 3])];
      },
    });
  const written = decodeModel(
    writeOnnx(readOnnx(file("Squeeze", "axes"), "old", undefined, { outputs: ["a"] })),
    "new",
  );
  expect(written.opsetImport).toEqual([{ domain: "", version: 13 }]);
  expect(written.graph?.node?.find(({ opType }) => opType === "Squeeze")?.input).toEqual(["a", "b/node/axes"]);
  const slice = (): Network => readOnnx(file("Softmax", "axis"), "old", undefined, { outputs: ["a"] });
  expect(slice).toThrow("opset 13");
});

test("a run on a file with carried nodes prunes it, certifies it and writes them again", async () => {
  const run = join(folder, "run");
  const schedule = { kind: "cosine", peak: 0.1 } as const;
  const settings = { epochs: 10, batch: 16, engine: "reference", budget: "70%", schedule } as const;
  const { certificate, after, before } = await train(fixture("labels"), {
    ...settings,
    ...{ data: tinyDataset(), folder: run, certificateImages: 40 },
  });
  expect(certificate.passed).toBe(true);
  expect(certificate.witness).toBe("ONNX Runtime");
  expect(after.macs).toBeLessThan(before.macs);
  const notices = (await readEvents(run)).flatMap((event) => (event.type === "notice" ? [event.message] : []));
  expect(notices).toContain("Copied unchanged, after the network's logits: Softmax, ZipMap, ArgMax");
  const path = join(run, "compact.onnx");
  const compact = await loadOnnx(path);
  const feeds = { images: images([4, 2, 6, 6]) };
  const [labels] = await outputsOf(path, feeds, ["label"]);
  const classifier = await runtimeClassifierOf(path, compact.graph, 4);
  const { images: value } = feeds;
  const { data } = await classifier.logits({ dtype: "f32", shape: [4, 2, 6, 6], data: Object(value).data });
  await classifier.dispose();
  const largest = [0, 1, 2, 3].map((row) => {
    const logits = [...data.subarray(3 * row, 3 * row + 3)];
    return BigInt(logits.indexOf(Math.max(...logits)));
  });
  expect(labels).toEqual(largest);
  await saveOnnx(compact, join(folder, "again.onnx"));
  expect(readFileSync(join(folder, "again.onnx"))).toEqual(readFileSync(path));
});
