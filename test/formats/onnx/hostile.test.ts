/**
 * Malicious files: sizes beyond any memory, deep nesting, cycles, and paths that lead out of the folder. Each gives an
 * error soon.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../../../src/core/errors.ts";
import { loadOnnx } from "../../../src/formats/onnx/index.ts";
import { attributeMessage, type TensorMessage } from "../../../src/formats/onnx/proto.ts";
import { readOnnx } from "../../../src/formats/onnx/read.ts";
import { floats, integers, node, onnxModel } from "./models.ts";

const features = [2, 3, 3];
const bias = node("Add", ["x", "w"], "y");
const root = mkdtempSync(join(tmpdir(), "espalier-hostile-"));
afterAll(() => rmSync(root, { recursive: true }));

function refused(bytes: Uint8Array): UserError {
  const start = performance.now();
  try {
    readOnnx(bytes, "hostile.onnx");
  } catch (error) {
    expect(performance.now() - start).toBeLessThan(20_000);
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error("the file was read");
}

describe("sizes", () => {
  test.each([
    ["a tensor of 10⁹ × 10⁹ floats in no bytes", floats("w", [], [1e9, 1e9])],
    ["a negative size", floats("w", [1, 2], [-2, -1])],
    ["a size of nothing but a claim", { name: "w", dataType: 10, dims: [2 ** 40], rawData: new Uint8Array(8) }],
    ["half an element", { name: "w", dataType: 7, dims: [1], rawData: new Uint8Array(7) }],
  ] satisfies [string, TensorMessage][])("%s", (_, tensor) => {
    const error = refused(onnxModel({ features, tensors: [tensor], nodes: [bias] }));
    expect(error.message).toMatch(/tensor "w" in hostile\.onnx/);
    expect(error.code).toBe("bad-file");
  });

  test.each([
    ["ConstantOfShape", [1e9, 1e9]],
    ["ConstantOfShape", [2 ** 25]],
    ["ConstantOfShape", [-1]],
  ])("%s of %j", (op, dims) => {
    const error = refused(onnxModel({ features, tensors: [integers("d", dims)], nodes: [node(op, ["d"], "w"), bias] }));
    expect(error.message).toMatch(/ConstantOfShape "w\/node".*computes a constant of dims/);
  });

  test("many expansions, each of modest size", () => {
    const steps = Array.from({ length: 200 }, (_, index) =>
      node("Expand", [index === 0 ? "one" : `e${index - 1}`, "d"], `e${index}`),
    );
    const tensors = [integers("d", [2 ** 20]), floats("one", [1])];
    expect(
      refused(onnxModel({ features, tensors, nodes: [...steps, node("Add", ["x", "e199"], "y")] })).message,
    ).toMatch(/in proportion/);
  });

  test("a range without end and one with a step of 0", () => {
    for (const step of [1e-300, 0, Number.NaN]) {
      const tensors = [floats("a", [0], []), floats("b", [1e30], []), floats("c", [step], [])];
      refused(onnxModel({ features, tensors, nodes: [node("Range", ["a", "b", "c"], "w"), bias] }));
    }
  });
});

describe("weights", () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY])("with the value %d, which a ReLU may hide, are named", (value) => {
    const error = refused(onnxModel({ features, tensors: [floats("w", [1, value], [2, 1, 1])], nodes: [bias] }));
    expect(error.message).toContain('tensor "w" in hostile.onnx: value 1 of 2 is not a finite number');
    expect(error.details).toMatchObject({ expected: "finite numbers", received: `${value}` });
  });
});

describe("structure", () => {
  test("a cycle, and a node that reads itself", () => {
    const cycle = [node("Relu", ["b"], "a"), node("Relu", ["a"], "b"), node("Relu", ["x"], "y")];
    expect(refused(onnxModel({ features, nodes: cycle })).message).toMatch(/"b" is read before any node computes it/);
    expect(refused(onnxModel({ features, nodes: [node("Relu", ["y"], "y")] })).code).toBe("bad-file");
    expect(refused(onnxModel({ features, nodes: [node("Identity", ["y"], "y")] })).code).toBe("bad-file");
  });

  test("graphs in graphs, twelve thousand messages deep", () => {
    // A graph (field 7) with one node (1) with one attribute (5) with a graph (6) …, built from the inside out; then
    // the model around it (7).
    let inner: Buffer = Buffer.alloc(0);
    const field = (number: number, body: Buffer): Buffer => {
      const length: number[] = [];
      for (let rest = body.length; ; rest = Math.floor(rest / 128)) {
        length.push((rest % 128) + (rest >= 128 ? 128 : 0));
        if (rest < 128) break;
      }
      return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), body]);
    };
    for (let depth = 0; depth < 4000; depth++) inner = field(1, field(5, field(6, inner)));
    expect(refused(field(7, inner)).code).toMatch(/bad-file|unsupported/);
  });

  test("invalid axes, indices and perms", () => {
    const i = integers("i", [1, 2]);
    const nodes = [
      node("Gather", ["i", "far"], "v"),
      node("Squeeze", ["i", "far"], "v"),
      node("Unsqueeze", ["i", "far"], "v"),
      node("Transpose", ["i"], "v", [attributeMessage("perm", [5])]),
      node("Concat", ["i", "i"], "v", [attributeMessage("axis", 3)]),
      node("Slice", ["i", "far", "far", "far"], "v"),
      node("Reshape", ["i", "far"], "v"),
      node("Tile", ["i", "many"], "v"),
    ];
    for (const one of nodes) {
      const tensors = [i, integers("far", [99]), integers("many", [1, 2 ** 40]), floats("w", [1, 2], [2, 1, 1])];
      const error = refused(onnxModel({ features, tensors, nodes: [one, node("Add", ["x", "v"], "y")] }));
      expect(error.message, one.opType ?? "").toContain("hostile.onnx");
    }
  });
});

describe("tensors in other files", () => {
  const folder = join(root, "model");
  beforeAll(() => {
    mkdirSync(folder);
    writeFileSync(join(root, "secret.bin"), new Uint8Array(8));
    writeFileSync(join(folder, "data.bin"), Float32Array.of(1.5, 2.5));
    symlinkSync(join(root, "secret.bin"), join(folder, "link.bin"));
    symlinkSync(root, join(folder, "up"));
  });

  async function load(entries: Readonly<Record<string, string>>, dims = [2, 1, 1]): Promise<readonly number[]> {
    const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
    const tensor: TensorMessage = { name: "w", dataType: 1, dims, dataLocation: 1, externalData };
    const path = join(folder, "model.onnx");
    writeFileSync(path, onnxModel({ features, tensors: [tensor], nodes: [bias] }));
    const { weights } = await loadOnnx(path);
    return [...(weights.get("w")?.data ?? [])];
  }

  test("are read from the model's folder", async () => {
    expect(await load({ location: "data.bin" })).toEqual([1.5, 2.5]);
    expect(await load({ location: "./data.bin", offset: "0", length: "8" })).toEqual([1.5, 2.5]);
  });

  test.each([
    ["../secret.bin", /own folder/],
    ["/etc/passwd", /own folder/],
    ["link.bin", /own folder/],
    ["up/secret.bin", /own folder/],
    ["", /own folder/],
    [".", /own folder/],
    ["data.bin\0x", /own folder/],
    ["nothing.bin", /is missing/],
  ])("are not read from %j", async (location, message) => {
    await expect(load({ location })).rejects.toThrow(message);
  });

  test.each([
    [{ offset: "4" }, /beyond the end/],
    [{ offset: "9007199254740993" }, /not a whole number/],
    [{ offset: "-4" }, /not a whole number/],
    [{ length: "4" }, /expected 8 bytes, got 4/],
    [{ length: "1e1" }, /not a whole number/],
  ])("are not read with %j", async (more, message) => {
    await expect(load({ location: "data.bin", ...more })).rejects.toThrow(message);
  });

  test("are not read beyond the end of the file", async () => {
    await expect(load({ location: "data.bin" }, [2 ** 40, 1, 1])).rejects.toThrow(/beyond the end/);
    await expect(load({ location: "data.bin" }, [-2, 1, 1])).rejects.toThrow(UserError);
  });

  test("are not read for a model that is given as bytes", () => {
    const tensor: TensorMessage = {
      name: "w",
      dataType: 1,
      dims: [2, 1, 1],
      dataLocation: 1,
      externalData: [{ key: "location", value: "data.bin" }],
    };
    expect(refused(onnxModel({ features, tensors: [tensor], nodes: [bias] })).message).toMatch(
      /Load the model by its path/,
    );
  });
});
