/**
 * Damaged, foreign and unsupported files: each gives a `UserError` that names the fault and its place, never a crash.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../../src/core/errors.ts";
import {
  type AttributeMessage,
  attributeMessage,
  decodeModel,
  encodeModel,
  floatTensorMessage,
  integerTensorMessage,
  type ModelMessage,
  type NodeMessage,
} from "../../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../../src/formats/onnx/write.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Network } from "../../../src/graph/graph.ts";
import { initialize } from "../../../src/models/initialize.ts";

function smallNetwork(): Network {
  const builder = new GraphBuilder("small");
  const src = builder.input("images", ["N", 2, 5, 5]);
  const conv = builder.convolution("conv", src, { channels: 4, kernel: 3, padding: 1, groups: 2, bias: true });
  const norm = builder.scale("scaled", builder.batchNormalization("norm", conv), 2);
  const pooled = builder.maxPooling("pool", builder.subsample("sub", norm, 2), { kernel: 2 });
  builder.output(builder.linear("classifier", builder.flatten("flat", builder.relu("relu", pooled)), 3));
  const graph = builder.build();
  return { graph, weights: initialize(graph, 1) };
}

const good = writeOnnx(smallNetwork());

function caught(bytes: Uint8Array): UserError {
  try {
    readOnnx(bytes, "broken.onnx");
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("the file was read");
}

/** The valid file after `change` edits its message. */
function changed(change: (model: ModelMessage) => void): Uint8Array {
  const model = decodeModel(good, "good.onnx");
  change(model);
  return encodeModel(model);
}

/** The valid file after `change` edits node `name`. */
function withNode(name: string, change: (node: NodeMessage) => void): Uint8Array {
  return changed(({ graph }) => {
    const node = graph?.node?.find((one) => one.name === name);
    if (node === undefined) throw new Error(`no node ${name}`);
    change(node);
  });
}

describe("damaged files", () => {
  test("every truncation is an error about the file, or loses only metadata", () => {
    // The metadata ends the file, and is one entry for the one factor. A file without that entry is a valid one.
    const withoutMetadata = encodeModel({ ...decodeModel(good, "good.onnx"), metadataProps: [] }).length;
    for (let length = 0; length < good.length; length++) {
      if (length === withoutMetadata) continue;
      const error = caught(good.subarray(0, length));
      expect(error.message).toContain("broken.onnx");
    }
    const { graph, weights } = readOnnx(good.subarray(0, withoutMetadata), "without metadata");
    expect(graph.nodes).toEqual(smallNetwork().graph.nodes);
    expect(weights).toEqual(smallNetwork().weights);
  });

  test("changed bytes are read or refused and never crash the reader", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const bytes = Uint8Array.from(good);
          for (const [at, value] of changes) bytes[at] = value;
          try {
            readOnnx(bytes, "broken.onnx");
          } catch (error) {
            expect(error).toBeInstanceOf(UserError);
          }
        },
      ),
      { numRuns: 800 },
    );
  });

  test("bytes that are not ONNX", () => {
    expect(caught(new TextEncoder().encode("<html>not found</html>")).code).toBe("bad-file");
    expect(caught(new Uint8Array()).message).toMatch(/no graph/);
  });

  test("a tensor with fewer values than its dims say", () => {
    const bytes = changed(({ graph }) => {
      const weights = graph?.initializer?.find(({ name }) => name === "conv.weights");
      if (weights) weights.rawData = weights.rawData?.subarray(4) ?? undefined;
    });
    expect(caught(bytes).message).toMatch(/conv\.weights.*broken\.onnx.*expected 36.*got 35/);
  });

  test("a tensor kept in another file", () => {
    const bytes = changed(({ graph }) => {
      const [first] = graph?.initializer ?? [];
      if (first) first.dataLocation = 1;
    });
    expect(caught(bytes)).toMatchObject({ code: "unsupported" });
  });

  test("two tensors or two values of one name", () => {
    const twins = [
      changed(({ graph }) => graph?.initializer?.push(floatTensorMessage("conv.bias", [1], new Float32Array(1)))),
      withNode("relu", (node) => {
        node.output = ["pool"];
      }),
    ];
    for (const bytes of twins) expect(caught(bytes).message).toMatch(/two tensors|twice/);
  });

  test("a node that reads what comes after it", () => {
    const bytes = withNode("conv", (node) => {
      node.input = ["relu", "conv.weights"];
    });
    expect(caught(bytes).message).toMatch(/"relu" is read before/);
  });

  test("shapes that do not fit name the node and the file", () => {
    const bytes = changed(({ graph }) => {
      const dim = graph?.input?.[0]?.type?.tensorType?.shape?.dim?.[1];
      if (dim) dim.dimValue = 6;
    });
    expect(caught(bytes)).toMatchObject({ code: "unsupported" });
    expect(caught(bytes).message).toMatch(/Conv "conv" in broken\.onnx.*expected 2 input channels, got 6/);
  });
});

describe("unsupported ops and forms", () => {
  test("are listed, with every node", () => {
    const bytes = changed(({ graph }) => {
      graph?.node?.push(
        { opType: "Einsum", name: "a", input: ["classifier"], output: ["x"] },
        { opType: "Einsum", name: "b", input: ["classifier"], output: ["y"] },
        { opType: "LSTM", name: "c", input: ["x"], output: ["z"] },
        { opType: "Fused", domain: "com.example", name: "d", input: ["classifier"], output: ["u"] },
        { opType: "Relu", name: "e", input: ["classifier"], output: ["v"], attribute: [attributeMessage("slope", 2)] },
      );
    });
    const error = caught(bytes);
    expect(error.code).toBe("unsupported");
    expect(error.message).toContain(
      'Einsum (2, first "a"), LSTM (1, first "c"), com.example.Fused (1, first "d"), Relu (1, first "e")',
    );
    // Of nodes that read the output of an unsupported node, those of unknown ops are reported. Others may be valid.
    expect(error.details.list).toEqual([
      'Einsum "a": this op is not supported',
      'Einsum "b": this op is not supported',
      'LSTM "c": this op is not supported',
      'com.example.Fused "d": this op is not supported',
      'Relu "e": attribute slope is not known for this op',
    ]);
  });

  const cases: readonly [string, string, (node: NodeMessage) => void, RegExp][] = [
    ["automatic padding", "conv", (node) => add(node, "auto_pad", "SAME"), /Conv "conv".*auto_pad is not known/],
    ["an unknown attribute", "relu", (node) => addAttribute(node, attributeMessage("slope", 2)), /slope/],
    ["a stride of zero", "pool", (node) => replace(node, "strides", [0, 2]), /strides must be positive/],
    [
      "a stride of one axis",
      "pool",
      (node) => replace(node, "strides", [2]),
      /strides does not fit its pixels \(expected 2 numbers, got 1\)/,
    ],
    ["an attribute of another type", "conv", (node) => replace(node, "group", [2]), /group has the wrong type/],
    ["a kernel_shape unlike the weights", "conv", (node) => replace(node, "kernel_shape", [5, 5]), /kernel_shape/],
    ["another order", "pool", (node) => addAttribute(node, attributeMessage("storage_order", 1)), /storage_order/],
    ["a transposed batch", "classifier", (node) => replace(node, "transA", 1), /transA/],
    ["training mode", "norm", (node) => addAttribute(node, attributeMessage("training_mode", 1)), /training mode/],
    ["a negative epsilon", "norm", (node) => replace(node, "epsilon", { float: -1 }), /epsilon must not be negative/],
    [
      "a product with the number of another image",
      "scaled",
      (node) => node.input?.splice(1, 1, "conv.weights"),
      /its constant cannot be broadcast with the value/,
    ],
    ["computed weights", "conv", (node) => node.input?.splice(1, 1, "images"), /must be a constant/],
    ["a missing input", "conv", (node) => node.input?.splice(1), /input 1 is missing/],
    [
      "bounds that are not integers",
      "sub",
      (node) => node.input?.splice(1, 1, "conv.bias"),
      /must be a constant of integers/,
    ],
    ["flattening from the third axis", "flat", (node) => replace(node, "axis", 2), /axis 1/],
  ];

  test.each(cases)("%s", (_, name, change, message) => {
    const error = caught(withNode(name, change));
    expect(error.code).toBe("unsupported");
    expect(error.message).toMatch(message);
    expect(error.message).toContain("broken.onnx");
  });

  test("a second output that a node reads", () => {
    const bytes = changed(({ graph }) => {
      graph?.node?.find(({ name }) => name === "pool")?.output?.push("indices");
      graph?.output?.push({ name: "indices" });
    });
    expect(caught(bytes).message).toMatch(/MaxPool "pool".*only the first output/);
  });

  test("slicing the batch", () => {
    const bytes = changed(({ graph }) => {
      const tensors = graph?.initializer ?? [];
      const at = tensors.findIndex(({ name }) => name === "sub/ends");
      tensors.splice(at, 1, integerTensorMessage("sub/ends", [1n, 4n, 5n, 5n]));
    });
    expect(caught(bytes).message).toMatch(/the whole batch/);
  });

  test("factors that are not spread evenly", () => {
    const bytes = changed(({ graph }) => {
      const tensors = graph?.initializer ?? [];
      const at = tensors.findIndex(({ name }) => name === "scaled.factor");
      tensors.splice(at, 1, floatTensorMessage("scaled.factor", [1, 2], Float32Array.of(1, 2)));
      const grid = tensors.findIndex(({ name }) => name === "scaled/grid");
      tensors.splice(grid, 1, integerTensorMessage("scaled/grid", [2n, 2n]));
    });
    expect(caught(bytes).message).toMatch(/not spread evenly/);
  });

  test("an opset that is too old or missing", () => {
    const old = changed((model) => {
      model.opsetImport = [{ domain: "", version: 6 }];
    });
    expect(caught(old).message).toMatch(/too old.*expected 7 to \d+, got 6/);
    const none = changed((model) => {
      model.opsetImport = [];
    });
    expect(caught(none).message).toMatch(/which opset/);
  });

  test("images of no fixed size, of integers, or no output at all", () => {
    const open = changed(({ graph }) => {
      const dims = graph?.input?.[0]?.type?.tensorType?.shape?.dim;
      dims?.splice(2, 1, { dimParam: "H" });
    });
    expect(caught(open).message).toMatch(/axis 2 must have a fixed size/);
    expect(caught(open).details.hint).toMatch(/--size 224/);
    const integers = changed(({ graph }) => {
      const type = graph?.input?.[0]?.type?.tensorType;
      if (type) type.elemType = 6;
    });
    expect(caught(integers).message).toMatch(/expected FLOAT/);
    const silent = changed(({ graph }) => graph?.output?.splice(0));
    expect(caught(silent).message).toMatch(/the graph has no output/);
  });
});

describe("networks that cannot be written", () => {
  test("a parameter without values, with the wrong shape, or that nothing reads", () => {
    const { graph, weights } = smallNetwork();
    const missing = new Map(weights);
    missing.delete("conv.bias");
    expect(() => writeOnnx({ graph, weights: missing })).toThrow(/parameter "conv.bias".*expected \[4\], got none/);
    const extra = { name: "lost", shape: [1], kind: "bias" as const };
    const unread = { ...graph, parameters: [...graph.parameters, extra] };
    expect(() => writeOnnx({ graph: unread, weights: initialize(unread, 1) })).toThrow(/no node reads/);
  });

  test("a training step", () => {
    const { graph, weights } = smallNetwork();
    const updating = { ...graph, updates: [{ parameter: "conv.bias", value: "classifier.bias" }] };
    expect(() => writeOnnx({ graph: updating, weights })).toThrow(/training step/);
  });
});

function add(node: NodeMessage, name: string, text: string): void {
  addAttribute(node, { name, type: 3, s: new TextEncoder().encode(text) });
}

function addAttribute(node: NodeMessage, attribute: AttributeMessage): void {
  node.attribute = [...(node.attribute ?? []), attribute];
}

function replace(node: NodeMessage, name: string, value: Parameters<typeof attributeMessage>[1]): void {
  const others = (node.attribute ?? []).filter((attribute) => attribute.name !== name);
  node.attribute = [...others, attributeMessage(name, value)];
}

describe("the bounds of a clip", () => {
  function clipped(min: string, max: string): Uint8Array {
    return changed(({ graph }) => {
      const node = graph?.node?.find(({ name }) => name === "relu");
      if (node === undefined) throw new Error("no node relu");
      Object.assign(node, { opType: "Clip", input: [node.input?.[0] ?? "", min, max] });
      graph?.initializer?.push(
        floatTensorMessage("six", [], Float32Array.of(6)),
        floatTensorMessage("two", [2], Float32Array.of(1, 2)),
        floatTensorMessage("nothing", [], Float32Array.of(Number.NaN)),
        integerTensorMessage("whole", [6n]),
      );
    });
  }

  test("are numbers or missing", () => {
    const clips = ["", "six"].map((min) => readOnnx(clipped(min, "six"), "clip.onnx").graph.nodes);
    expect(clips.map((nodes) => nodes.find(({ name }) => name === "relu")?.attributes)).toEqual([
      { minimum: Number.NEGATIVE_INFINITY, maximum: 6 },
      { minimum: 6, maximum: 6 },
    ]);
  });

  test.each([
    ["", "two"],
    ["whole", "six"],
    ["images", "six"],
  ])("%s … %s are refused", (min, max) => {
    const error = caught(clipped(min, max));
    expect(error.code).toBe("unsupported");
    expect(error.message).toMatch(/Clip "relu" in broken.onnx/);
  });

  test("must be numbers in ascending order", () => {
    expect(caught(clipped("nothing", "six")).message).toMatch(/minimum of at most the maximum/);
  });
});
