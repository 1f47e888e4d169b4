/**
 * Reads the tensors of a file as constants, in all three encodings (raw bytes, typed fields, external file) and all
 * numeric element types. Half, bfloat16 and double become 32-bit floats; integers become plain numbers. Sizes are
 * checked before memory is allocated.
 */
import { UserError } from "../../core/errors.ts";
import { elementCount, formatShape, type Shape } from "../../core/tensor.ts";
import { bfloat16ToFloat, halfToFloat } from "../short-floats.ts";
import type { ExternalData } from "./external.ts";
import { type Constant, type ConstantType, constant } from "./folding/constant.ts";
import { UNSOUND_HINT } from "./problems.ts";
import type { TensorMessage } from "./proto.ts";

type TypedField = "floatData" | "int32Data" | "int64Data" | "doubleData" | "uint64Data";

interface ElementType {
  readonly name: string;
  readonly type: ConstantType;
  readonly bytes: number;
  /** The field with the values of a tensor that is not stored as raw bytes. */
  readonly field: TypedField;
  /** Reads an element from raw bytes. */
  read(view: DataView, offset: number): number;
  /** Smallest and largest number, for integers of 8 and 16 bits. */
  readonly range?: readonly [number, number];
  /** Converts an element of the typed field, if it is not the value itself. */
  fromField?(value: number): number;
}

function integer(
  name: string,
  bytes: number,
  field: TypedField,
  read: ElementType["read"],
  range?: readonly [number, number],
): ElementType {
  return { name, type: "integer", bytes, field, read, ...(range === undefined ? {} : { range }) };
}

/** Element types by `TensorProto.DataType`. */
const elementTypes: ReadonlyMap<number, ElementType> = new Map<number, ElementType>([
  [1, { name: "FLOAT", type: "float", bytes: 4, field: "floatData", read: (view, at) => view.getFloat32(at, true) }],
  [2, integer("UINT8", 1, "int32Data", (view, at) => view.getUint8(at), [0, 255])],
  [3, integer("INT8", 1, "int32Data", (view, at) => view.getInt8(at), [-128, 127])],
  [4, integer("UINT16", 2, "int32Data", (view, at) => view.getUint16(at, true), [0, 65_535])],
  [5, integer("INT16", 2, "int32Data", (view, at) => view.getInt16(at, true), [-32_768, 32_767])],
  [6, integer("INT32", 4, "int32Data", (view, at) => view.getInt32(at, true))],
  [7, integer("INT64", 8, "int64Data", (view, at) => Number(view.getBigInt64(at, true)))],
  [
    9,
    {
      name: "BOOL",
      type: "boolean",
      bytes: 1,
      field: "int32Data",
      read: (view, at) => Number(view.getUint8(at) !== 0),
    },
  ],
  [10, { ...bits16("FLOAT16", halfToFloat) }],
  [11, { name: "DOUBLE", type: "float", bytes: 8, field: "doubleData", read: (view, at) => view.getFloat64(at, true) }],
  [12, integer("UINT32", 4, "uint64Data", (view, at) => view.getUint32(at, true))],
  [13, integer("UINT64", 8, "uint64Data", (view, at) => Number(view.getBigUint64(at, true)))],
  [16, { ...bits16("BFLOAT16", bfloat16ToFloat) }],
]);

function bits16(name: string, fromField: (bits: number) => number): ElementType {
  const read = (view: DataView, at: number): number => fromField(view.getUint16(at, true));
  return { name, type: "float", bytes: 2, field: "int32Data", read, fromField };
}

/**
 * Reads the tensor in `message`. `owner` names it in messages if it has no name of its own. Throws `UserError` if the
 * element type is not numeric or the size does not fit the dims, and as `external` does.
 */
export function readTensor(message: TensorMessage, file: string, external: ExternalData, owner = ""): Constant {
  const about = `tensor "${message.name || owner}" in ${file}`;
  const element = elementTypes.get(message.dataType ?? 0);
  if (element === undefined) {
    throw new UserError("unsupported", "has an unsupported element type", {
      about,
      expected: [...elementTypes.values()].map(({ name }) => name).join(", "),
      received: `type ${message.dataType ?? 0}`,
      hint: "Export the network with float tensors",
    });
  }
  const dims = message.dims ?? [];
  if (!dims.every((extent) => extent >= 0)) {
    throw new UserError("bad-file", "has a negative size", { about, received: formatShape(dims), hint: UNSOUND_HINT });
  }
  const entries = message.externalData ?? [];
  const isExternal = entries.length > 0 || message.dataLocation === 1;
  const raw = isExternal
    ? external.read(
        new Map(entries.map(({ key, value }) => [key ?? "", value ?? ""])),
        wantedBytes(dims, element),
        about,
      )
    : (message.rawData ?? new Uint8Array());
  const typed = raw.length > 0 || isExternal ? [] : (message[element.field] ?? []);
  checkCount(dims, raw.length > 0 ? raw.length / element.bytes : typed.length, about);
  const values = raw.length > 0 ? fromBytes(raw, element) : fromField(typed, element);
  const { type, range } = element;
  return { ...constant(type, dims, values), ...(range === undefined ? {} : { range }) };
}

function wantedBytes(dims: Shape, { bytes }: ElementType): number {
  return elementCount(dims) * bytes;
}

function checkCount(dims: Shape, received: number, about: string): void {
  const count = elementCount(dims);
  if (received === count) return;
  throw new UserError("bad-file", "the number of its values does not match its dims", {
    about,
    expected: `${count} for ${formatShape(dims)}`,
    received: `${received}`,
    hint: UNSOUND_HINT,
  });
}

/**
 * Always copies: the bytes are part of the whole file and may be unaligned, and weights are sent to other threads one
 * by one.
 */
function fromBytes(raw: Uint8Array, { name, type, bytes, read }: ElementType): Float32Array | number[] {
  if (name === "FLOAT") {
    const values = new Float32Array(raw.length / bytes);
    new Uint8Array(values.buffer).set(raw);
    return values;
  }
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const count = raw.length / bytes;
  const values = type === "float" ? new Float32Array(count) : new Array<number>(count);
  for (let index = 0; index < count; index++) values[index] = read(view, index * bytes);
  return values;
}

function fromField(values: number[], { type, fromField: convert }: ElementType): Float32Array | number[] {
  const numbers = convert === undefined ? values : values.map(convert);
  return type === "float" ? Float32Array.from(numbers) : numbers;
}
