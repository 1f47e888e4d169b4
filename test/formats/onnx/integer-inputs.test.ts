/** Inputs of integers: what PyTorch's exporters make of embeddings and one-hot vectors, and what is refused. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it, test } from "vitest";
import { required } from "../../../src/core/errors.ts";
import { RandomStream } from "../../../src/core/random.ts";
import { elementCount, type Shape, tensor } from "../../../src/core/tensor.ts";
import { createReferenceEngine } from "../../../src/engine/reference/index.ts";
import { onnxRuntime } from "../../../src/evaluation/runtime-library.ts";
import { decodeModel, encodeModel, type NodeMessage } from "../../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import { cost } from "../../../src/graph/cost.ts";
import type { Network } from "../../../src/graph/graph.ts";
import { bindBatch } from "../../../src/graph/shapes.ts";
import { relativeDifference } from "../../engine/random-data.ts";

const folder = fileURLToPath(new URL("fixtures/categories/", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".onnx"));
const BATCH = 6;

function bytesOf(name: string): Uint8Array {
  return new Uint8Array(readFileSync(`${folder}${name}`));
}

/** Images, and numbers 0 … 3, which are rows of all tables. */
function feedsFor({ graph }: Network) {
  const random = new RandomStream(3, "feeds");
  return graph.inputs.map(({ name, shape, integer }) => {
    const dims = bindBatch(shape, BATCH);
    const next = integer === undefined ? () => random.normal() : () => random.integer(4);
    return { name, integer, shape: dims, data: Float32Array.from({ length: elementCount(dims) }, next) };
  });
}

function ours(network: Network): Float32Array {
  const plan = createReferenceEngine().prepare(network.graph, { batch: BATCH });
  plan.write(network.weights);
  const feeds = feedsFor(network).map(({ name, shape, data }) => [name, tensor(shape, data)] as const);
  return required(plan.run(Object.fromEntries(feeds))["y"], "y").data;
}

async function theirs(bytes: Uint8Array, network: Network): Promise<Float32Array> {
  const { InferenceSession, Tensor } = onnxRuntime();
  const session = await InferenceSession.create(bytes);
  const asTensor = (integer: string | undefined, shape: Shape, data: Float32Array) => {
    if (integer === "int64") return new Tensor("int64", BigInt64Array.from(data, BigInt), shape);
    return integer === "int32" ? new Tensor("int32", Int32Array.from(data), shape) : new Tensor("float32", data, shape);
  };
  const feeds = feedsFor(network).map(({ name, shape, integer, data }) => [name, asTensor(integer, shape, data)]);
  const { y } = await session.run(Object.fromEntries(feeds));
  await session.release();
  return required(y, "y").data as Float32Array;
}

describe.each(files)("%s", (file) => {
  const network = readOnnx(bytesOf(file), file);

  it("answers as in ONNX Runtime, as it is and written again", async () => {
    const expected = await theirs(bytesOf(file), network);
    expect(relativeDifference(ours(network), expected)).toBeLessThan(1e-5);
    const written = writeOnnx(network);
    expect(relativeDifference(await theirs(written, network), expected)).toBeLessThan(1e-5);
    const again = readOnnx(written, file);
    expect(relativeDifference(ours(again), expected)).toBeLessThan(1e-5);
    expect(Buffer.compare(writeOnnx(again), written)).toBe(0);
  });

  it("keeps the integers of its input, and trains its tables alone", () => {
    const [, kind] = network.graph.inputs;
    expect(kind?.integer).toBe(file.startsWith("short") ? "int32" : "int64");
    const tables = network.graph.nodes.flatMap(({ op, inputs }) => (op === "lookup" ? [inputs[1] ?? ""] : []));
    const frozen = network.graph.parameters.filter(({ isFrozen }) => isFrozen === true).map(({ name }) => name);
    expect(frozen).toEqual(file.startsWith("one_hot") ? tables : []);
    expect(tables.length > 0).toBe(!file.startsWith("number"));
  });
});

test("a lookup costs no multiplications, and its table counts as parameters", () => {
  const { graph } = readOnnx(bytesOf("table-script.onnx"), "table");
  const { macs, parameters } = cost(graph);
  expect(macs).toBe(1024 * 8 * 27 + 256 * 12 * 72 + 17 * 3);
  expect(parameters).toBe(8 * 27 + 8 + 12 * 72 + 12 + 7 * 5 + 17 * 3 + 3);
});

describe("refused", () => {
  /** The file of a table, with other nodes in place of its Gather. */
  function changed(nodes: readonly NodeMessage[]): Uint8Array {
    const model = decodeModel(bytesOf("table-script.onnx"), "table");
    const { graph } = model;
    const node = (graph?.node ?? []).flatMap((one) => (one.opType === "Gather" ? nodes : [one]));
    return encodeModel({ ...model, graph: { ...graph, node } });
  }
  const table = decodeModel(bytesOf("table-script.onnx"), "table").graph?.node?.find(
    ({ opType }) => opType === "Gather",
  );

  it.each([
    [
      "arithmetic on integers",
      [
        { opType: "Add", input: ["kind", "kind"], output: ["sum"] },
        { ...table, input: [table?.input?.[0] ?? "", "sum"] },
      ],
      /computes with the integers of input "kind".*a row of a table \(Gather\).*got Add.*--input kind=1/s,
    ],
    [
      "integers that go from one image to another",
      [
        { opType: "Unsqueeze", input: ["kind", "axes"], output: ["row"] },
        { ...table, input: [table?.input?.[0] ?? "", "row"] },
      ],
      /moves integers from one image to another/,
    ],
  ])("%s", (_, nodes, message) => {
    const axes = { opType: "Constant", output: ["axes"], attribute: [{ name: "value_ints", type: 7, ints: [0] }] };
    expect(() => readOnnx(changed([axes, ...nodes]), "changed.onnx")).toThrow(message);
  });

  it("integers for images", () => {
    const model = decodeModel(bytesOf("table-script.onnx"), "table");
    const input = (model.graph?.input ?? []).filter(({ name }) => name === "kind");
    const alone = encodeModel({ ...model, graph: { ...model.graph, input } });
    expect(() => readOnnx(alone, "alone.onnx")).toThrow(/unsupported element type/);
  });
});
