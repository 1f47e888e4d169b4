/**
 * Reads and writes safetensors files: a JSON header, then the bytes of named tensors. Espalier uses them for optimizer
 * state and for weights of other tools. It writes 32-bit floats; it converts other number types to 32-bit floats when
 * it reads. As the specification asks, every byte of the data must belong to exactly one tensor.
 */

import { z } from "zod";
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import { elementCount, formatShape, type Tensor, tensor } from "../core/tensor.ts";
import { readBytes, writeBytes } from "./file.ts";
import { requireFinite } from "./finite.ts";
import { bfloat16ToFloat, halfToFloat } from "./short-floats.ts";

/** A file starts with the length of the header, a 64-bit integer. */
const prefixBytes = 8;
/** The largest header that the specification allows, in bytes. */
const largestHeader = 100_000_000;
const metadataKey = "__metadata__";

const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});
const headerSchema = z.record(z.string(), z.unknown());

interface ElementType {
  readonly bytes: number;
  read(view: DataView, offset: number): number;
}

/** Element types by their names in the specification. */
const elementTypes: ReadonlyMap<string, ElementType> = new Map<string, ElementType>([
  ["F32", { bytes: 4, read: (view, at) => view.getFloat32(at, true) }],
  ["F64", { bytes: 8, read: (view, at) => view.getFloat64(at, true) }],
  ["F16", { bytes: 2, read: (view, at) => halfToFloat(view.getUint16(at, true)) }],
  ["BF16", { bytes: 2, read: (view, at) => bfloat16ToFloat(view.getUint16(at, true)) }],
  ["I64", { bytes: 8, read: (view, at) => Number(view.getBigInt64(at, true)) }],
  ["I32", { bytes: 4, read: (view, at) => view.getInt32(at, true) }],
  ["I16", { bytes: 2, read: (view, at) => view.getInt16(at, true) }],
  ["I8", { bytes: 1, read: (view, at) => view.getInt8(at) }],
  ["U8", { bytes: 1, read: (view, at) => view.getUint8(at) }],
  ["BOOL", { bytes: 1, read: (view, at) => view.getUint8(at) }],
]);

interface Entry {
  readonly name: string;
  readonly element: ElementType;
  readonly shape: readonly number[];
  /** Offsets of the first byte and of the byte after the last, counted from the end of the header. */
  readonly begin: number;
  readonly end: number;
}

/** Encodes `tensors` as a safetensors file, in their order. */
export function encodeSafetensors(tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const header: Record<string, z.infer<typeof entrySchema>> = {};
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    if (name === metadataKey) {
      throw new UserError("bad-option", `no tensor may be called "${metadataKey}"`, {
        hint: "The format reserves this name; choose another one",
      });
    }
    header[name] = { dtype: "F32", shape: [...shape], data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(prefixBytes + headerBytes + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.fill(" ".charCodeAt(0), prefixBytes, prefixBytes + headerBytes);
  bytes.set(json, prefixBytes);
  let position = prefixBytes + headerBytes;
  for (const { data } of tensors.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return bytes;
}

/**
 * Decodes the tensors in `bytes`, in the order of the data. `file` names the file in messages. Throws `UserError`:
 * "bad-file" if the file is truncated or inconsistent or holds a value that is not finite, "unsupported" if the
 * elements of a tensor are not numbers.
 */
export function decodeSafetensors(bytes: Uint8Array, file: string): Map<string, Tensor> {
  const bad = (message: string, cause?: unknown): UserError =>
    new UserError("bad-file", `not a valid safetensors file: ${message}`, {
      about: file,
      hint: "The file may be truncated or in another format. Download it or write it again",
      cause,
    });
  if (bytes.byteLength < prefixBytes) throw bad(`it is ${bytes.byteLength} bytes long`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > largestHeader || prefixBytes + headerBytes > bytes.byteLength) {
    throw bad(`its header of ${headerBytes} bytes does not fit into ${bytes.byteLength} bytes`);
  }
  const data = bytes.subarray(prefixBytes + headerBytes);
  const entries = parseHeader(bytes.subarray(prefixBytes, prefixBytes + headerBytes), bad, file);
  let expected = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== expected) throw bad(`tensor "${name}" begins at ${begin}, the one before it ends at ${expected}`);
    expected = end;
  }
  if (expected !== data.byteLength) throw bad(`its tensors take ${expected} bytes, the file has ${data.byteLength}`);
  const tensors = new Map(
    entries.map((entry) => [entry.name, tensor(entry.shape, valuesOf(data.subarray(entry.begin, entry.end), entry))]),
  );
  requireFinite(tensors, file);
  return tensors;
}

function valuesOf(bytes: Uint8Array, { shape, element }: Entry): Float32Array {
  const values = new Float32Array(elementCount(shape));
  if (element === elementTypes.get("F32")) {
    new Uint8Array(values.buffer).set(bytes);
    return values;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let index = 0; index < values.length; index++) values[index] = element.read(view, index * element.bytes);
  return values;
}

function parseHeader(bytes: Uint8Array, bad: (message: string, cause?: unknown) => UserError, file: string): Entry[] {
  let header: Record<string, unknown>;
  try {
    header = headerSchema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch (cause) {
    throw bad("its header is not a JSON object", cause);
  }
  const entries = Object.entries(header).filter(([name]) => name !== metadataKey);
  return entries
    .map(([name, value]): Entry => {
      const parsed = entrySchema.safeParse(value);
      if (!parsed.success) throw bad(`the entry of tensor "${name}" is wrong: ${z.prettifyError(parsed.error)}`);
      const { dtype, shape, data_offsets: offsets } = parsed.data;
      const element = elementTypes.get(dtype);
      if (element === undefined) {
        throw new UserError("unsupported", "has an unsupported element type", {
          about: `tensor "${name}" in ${file}`,
          expected: [...elementTypes.keys()].join(", "),
          received: dtype,
          hint: "Save the tensor with one of these types, or omit it",
        });
      }
      const [begin, end] = offsets;
      const byteLength = elementCount(shape) * element.bytes;
      if (end - begin !== byteLength) {
        throw bad(`tensor "${name}" of shape ${formatShape(shape)} takes ${byteLength} bytes, not ${end - begin}`);
      }
      return { name, element, shape, begin, end };
    })
    .toSorted((a, b) => a.begin - b.begin || a.end - b.end);
}

/** Writes `tensors` to `path` atomically. Throws as `writeBytes` does. */
export async function saveSafetensors(tensors: ReadonlyMap<string, Tensor>, path: string): Promise<void> {
  requireArguments("saveSafetensors", { tensors: [tensors, "tensors"], path: [path, "text"] });
  await writeBytes(path, encodeSafetensors(tensors));
}

/** Reads the safetensors file at `path`. Throws as `decodeSafetensors` and `readBytes` do. */
export async function loadSafetensors(path: string): Promise<Map<string, Tensor>> {
  requireArguments("loadSafetensors", { path: [path, "text"] });
  return decodeSafetensors(await readBytes(path), path);
}
