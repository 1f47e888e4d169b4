/** Decodes and encodes ONNX messages, and compares them with the protobuf reader inside ONNX Runtime's web package. */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../../src/core/errors.ts";
import { decode } from "../../../src/formats/onnx/protobuf/decode.ts";
import { encode } from "../../../src/formats/onnx/protobuf/encode.ts";
import { isNumber, type MessageName } from "../../../src/formats/onnx/protobuf/field.ts";
import { fieldsOf } from "../../../src/formats/onnx/protobuf/fields.ts";
import type { TensorProto } from "../../../src/formats/onnx/protobuf/messages.ts";

interface Theirs {
  readonly onnx: { readonly ModelProto: { decode(bytes: Uint8Array): object; encode(message: object): Writer } };
}
interface Writer {
  finish(): Uint8Array;
}

const require = createRequire(import.meta.url);
const web = dirname(dirname(require.resolve("onnxruntime-web")));
const { onnx }: Theirs = require(join(web, "lib", "onnxjs", "ort-schema", "protobuf", "onnx.js"));
const fixtures = fileURLToPath(new URL("fixtures/", import.meta.url));
const files = readdirSync(fixtures).filter((name) => name.endsWith(".onnx"));
const read = (name: string): Uint8Array => readFileSync(join(fixtures, name));

/** Fields of attributes that stay bytes here: graphs, which another reader decodes. */
const graphFields: ReadonlySet<string> = new Set(["g", "graphs"]);

/** The fields of a message that are declared here and not empty. */
function plain(name: MessageName, message: object): object {
  return Object.fromEntries(
    fieldsOf[name].flatMap((field) => {
      const value: unknown = Object.hasOwn(message, field.name) ? Reflect.get(message, field.name) : undefined;
      if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return [];
      const one = (each: unknown): unknown => {
        if (isNumber(field.type)) return Number(each);
        if (name === "AttributeProto" && graphFields.has(field.name)) {
          return plain("GraphProto", each instanceof Uint8Array ? decode("GraphProto", each, name) : Object(each));
        }
        if (field.type === "bytes") return Buffer.from(each instanceof Uint8Array ? each : []).toString("base64");
        return field.type === "string" ? each : plain(field.type, Object(each));
      };
      return [[field.name, Array.isArray(value) ? value.map(one) : one(value)]];
    }),
  );
}

test("the generated files are up to date with onnx.proto", async () => {
  const script = 'const { generated } = await import("./scripts/generate-protobuf.mjs"); ';
  const source = `${script}console.log(JSON.stringify([...generated()]));`;
  const { stdout } = await execa("node", ["--input-type=module", "--eval", source]);
  const made: [string, string][] = JSON.parse(stdout);
  expect(made.length).toBe(2);
  for (const [path, text] of made) expect(readFileSync(path, "utf8")).toBe(text);
});

describe("files of other tools", () => {
  test.each(files)("%s reads the same", (name) => {
    const ours = plain("ModelProto", decode("ModelProto", read(name), name));
    expect(ours).toEqual(plain("ModelProto", onnx.ModelProto.decode(read(name))));
    expect(Object.keys(ours)).toContain("graph");
  });

  test.each(files)("%s reads the same after it is written", (name) => {
    const message = decode("ModelProto", read(name), name);
    const written = encode("ModelProto", message);
    expect(plain("ModelProto", onnx.ModelProto.decode(written))).toEqual(plain("ModelProto", message));
    expect(plain("ModelProto", decode("ModelProto", written, name))).toEqual(plain("ModelProto", message));
  });

  test.each(files)("%s reads the same after another writer wrote it", (name) => {
    const message = onnx.ModelProto.decode(read(name));
    const again = onnx.ModelProto.encode(message).finish();
    expect(plain("ModelProto", decode("ModelProto", again, name))).toEqual(plain("ModelProto", message));
  });
});

describe("values", () => {
  const tensor = (message: TensorProto): TensorProto => decode("TensorProto", encode("TensorProto", message), "x.onnx");

  test("64-bit integers of every size and sign keep the precision of a number", () => {
    const whole = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(-(2 ** 63), 2 ** 62, -1, 0, 127, 128));
    fc.assert(
      fc.property(fc.array(whole, { minLength: 1 }), (dims) => void expect(tensor({ dims }).dims).toEqual(dims)),
    );
  });

  test("floats, doubles, names in any script and bytes", () => {
    const message = fc.record({
      floatData: fc.array(fc.float(), { minLength: 1 }),
      doubleData: fc.array(fc.double(), { minLength: 1 }),
      name: fc.string({ unit: "grapheme" }),
      rawData: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      dataType: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    });
    fc.assert(fc.property(message, (given) => void expect(tensor(given)).toEqual(given)));
  });

  test("lists of numbers that are not packed, as proto2 writes them", () => {
    // Field 1 (dims), varint: 3; again: 300.
    expect(decode("TensorProto", Uint8Array.of(0x08, 3, 0x08, 0xac, 0x02), "x.onnx")).toEqual({ dims: [3, 300] });
  });

  test("undeclared fields of every wire type are skipped", () => {
    // Field 99 as a varint, eight bytes, a string and four bytes; then name.
    const others = [0x98, 6, 1, 0x99, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0x9a, 6, 2, 65, 66, 0x9d, 6, 0, 0, 0, 0];
    expect(decode("TensorProto", Uint8Array.of(...others, 0x42, 1, 120), "x.onnx")).toEqual({ name: "x" });
  });

  test("bytes are a view of the file, not a copy", () => {
    const file = encode("TensorProto", { rawData: Uint8Array.of(1, 2, 3) });
    expect(decode("TensorProto", file, "x.onnx").rawData?.buffer).toBe(file.buffer);
  });
});

describe("bytes that are not a valid message are refused", () => {
  test.each<[string, number[], RegExp]>([
    ["a length beyond the end", [0x42, 5, 65], /beyond the end of the file/],
    ["a number without an end", [0x08, ...Array<number>(11).fill(0xff)], /more than ten bytes/],
    ["a string as a number", [0x40, 1], /field name is encoded as another type/],
    ["a list that ends inside a number", [0x0a, 1, 0x80, 1], /truncated list/],
    ["field number zero", [0x00, 0], /without a number/],
    ["a wire type that is no longer used", [0x9b, 6], /unknown wire type 3/],
    ["a length of 2⁴⁰", [0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20], /a length beyond the end of the file/],
  ])("%s", (_, bytes, reason) => {
    const read = (): unknown => decode("TensorProto", Uint8Array.from(bytes), "broken.onnx");
    expect(read).toThrow(UserError);
    expect(read).toThrow(/^broken\.onnx: not an ONNX file/);
    expect(read).toThrow(reason);
  });

  test.each(files.slice(0, 6))("every prefix of %s is refused or is a message with fewer fields", (name) => {
    const whole = read(name);
    for (let length = 0; length < whole.length; length += Math.max(1, Math.floor(whole.length / 500))) {
      try {
        decode("ModelProto", whole.subarray(0, length), name);
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
      }
    }
  });
});
