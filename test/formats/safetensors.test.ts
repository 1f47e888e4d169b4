import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { elementCount, type Tensor, tensor } from "../../src/core/tensor.ts";
import {
  decodeSafetensors,
  encodeSafetensors,
  loadSafetensors,
  saveSafetensors,
} from "../../src/formats/safetensors.ts";

const folder = mkdtempSync(join(tmpdir(), "espalier-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

const tensors = fc
  .dictionary(
    fc.string({ minLength: 1 }).filter((name) => !["__proto__", "__metadata__"].includes(name)),
    fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }).chain((shape) =>
      fc
        .array(fc.float({ noNaN: true, noDefaultInfinity: true }), {
          minLength: elementCount(shape),
          maxLength: elementCount(shape),
        })
        .map((values) => tensor(shape, Float32Array.from(values))),
    ),
  )
  .map((entries): Map<string, Tensor> => new Map(Object.entries(entries)));

/** A file of `header` (JSON text) and `data` bytes. */
function file(header: string, data = new Uint8Array()): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

function entry(shape: readonly number[], begin: number, end: number, dtype = "F32"): object {
  return { dtype, shape, data_offsets: [begin, end] };
}

describe("round trip", () => {
  test("any tensors come back, bit for bit", () => {
    fc.assert(
      fc.property(tensors, (given) => {
        const read = decodeSafetensors(encodeSafetensors(given), "x");
        expect(read).toEqual(given);
      }),
    );
  });

  test("the data begins at a multiple of 8, which other readers expect", () => {
    const bytes = encodeSafetensors(new Map([["w", tensor([1])]]));
    const header = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(header % 8).toBe(0);
    expect(bytes.length).toBe(8 + header + 4);
  });

  test("tensors are saved to a file and loaded from it", async () => {
    const path = join(folder, "state.safetensors");
    const given = new Map([["λ", tensor([2, 2], Float32Array.of(1, -0, 3, 4e-42))]]);
    await saveSafetensors(given, path);
    expect(await loadSafetensors(path)).toEqual(given);
    expect(readdirSync(folder)).toEqual(["state.safetensors"]);
  });

  test("tensors come in the order of the data, not of the header", () => {
    const data = new Uint8Array(Float32Array.of(1, 2).buffer);
    const read = decodeSafetensors(file(JSON.stringify({ b: entry([1], 4, 8), a: entry([], 0, 4) }), data), "x");
    expect([...read].map(([name, { data: values }]) => [name, ...values])).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
  });

  test("the reference implementation reads the written file", (context) => {
    const python = process.env["ESPALIER_PEER_PYTHON"];
    if (python === undefined || !existsSync(python)) {
      context.skip("ESPALIER_PEER_PYTHON names no Python with safetensors and numpy");
      return;
    }
    const path = join(folder, "peer.safetensors");
    writeFileSync(path, encodeSafetensors(new Map([["w", tensor([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6))]])));
    const script = `import sys; from safetensors.numpy import load_file; print(load_file(sys.argv[1])["w"].tolist())`;
    expect(execFileSync(python, ["-c", script, path]).toString().trim()).toBe("[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]");
  });
});

describe("an invalid file is refused with its name", () => {
  const cases: readonly [string, Uint8Array, RegExp][] = [
    ["empty", new Uint8Array(), /0 bytes long/],
    ["a header longer than the file", file("{}").with(0, 200), /header of 200 bytes does not fit/],
    ["a header beyond any file", file("{}").with(7, 255), /does not fit/],
    ["a header that is no JSON", file("{]"), /not a JSON object/],
    ["a header that is a list", file("[]"), /not a JSON object/],
    ["a header that is no text", file("{}").with(8, 255), /not a JSON object/],
    ["an entry without a shape", file('{"w":{"dtype":"F32","data_offsets":[0,0]}}'), /entry of tensor "w" is wrong/],
    ["a negative size", file(JSON.stringify({ w: entry([-1], 0, 4) }), new Uint8Array(4)), /"w" is wrong/],
    [
      "a shape unlike the offsets",
      file(JSON.stringify({ w: entry([2], 0, 4) }), new Uint8Array(4)),
      /takes 8 bytes, not 4/,
    ],
    ["a hole", file(JSON.stringify({ w: entry([1], 4, 8) }), new Uint8Array(8)), /begins at 4/],
    [
      "an overlap",
      file(JSON.stringify({ a: entry([2], 0, 8), b: entry([1], 4, 8) }), new Uint8Array(8)),
      /"b" begins at 4/,
    ],
    [
      "bytes left over",
      file(JSON.stringify({ w: entry([1], 0, 4) }), new Uint8Array(8)),
      /take 4 bytes, the file has 8/,
    ],
    ["cut short", file(JSON.stringify({ w: entry([2], 0, 8) }), new Uint8Array(4)), /take 8 bytes, the file has 4/],
    [
      "complex numbers",
      file(JSON.stringify({ w: entry([1], 0, 8, "C64") }), new Uint8Array(8)),
      /expected F32.*got C64/,
    ],
  ];

  test.each(cases)("%s", (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, "bad.safetensors")).toThrow(message);
    expect(() => decodeSafetensors(bytes, "bad.safetensors")).toThrow(/bad\.safetensors/);
  });

  test("values that are not finite", async () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const path = join(folder, "diverged.safetensors");
      await saveSafetensors(new Map([["w", tensor([3], Float32Array.of(1, value, 2))]]), path);
      await expect(loadSafetensors(path)).rejects.toMatchObject({
        code: "bad-file",
        message: expect.stringMatching(/tensor "w" in .*diverged\.safetensors: value 1 of 3/),
      });
    }
    const large = new Uint8Array(8);
    new DataView(large.buffer).setFloat64(0, 1e300, true);
    const double = file(JSON.stringify({ w: entry([1], 0, 8, "F64") }), large);
    expect(() => decodeSafetensors(double, "x")).toThrow(/got Infinity/);
  });

  test("every truncation", () => {
    const whole = encodeSafetensors(new Map([["w", tensor([3])]]));
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeSafetensors(whole.subarray(0, length), "x")).toThrow(UserError);
    }
  });

  test("no such file, and no folder to write to", async () => {
    await expect(loadSafetensors(join(folder, "none"))).rejects.toMatchObject({ code: "missing-file" });
    await expect(loadSafetensors(folder)).rejects.toMatchObject({ code: "bad-file" });
    await expect(saveSafetensors(new Map(), join(folder, "no", "such"))).rejects.toMatchObject({
      code: "missing-file",
    });
  });
});
