/**
 * The protobuf messages of ONNX, narrowed to what Espalier uses: building messages from plain values and reading fields whose
 * types protobuf leaves open (64-bit integers, optional fields, tensors in three encodings).
 *
 * Files are little-endian, as is every machine Node runs on that this package supports.
 */
import onnxProto, { type onnx } from "onnx-proto";
import { UserError } from "../../core/errors.ts";
import { elementCount, formatShape, type Shape } from "../../core/tensor.ts";

export type ModelMessage = onnx.IModelProto;
export type NodeMessage = onnx.INodeProto;
export type TensorMessage = onnx.ITensorProto;
export type ValueMessage = onnx.IValueInfoProto;
export type AttributeMessage = onnx.IAttributeProto;

/** `TensorProto.DataType` of the specification, as far as it is used here. */
export const dataTypes = { float: 1, int64: 7 } as const;
/** `AttributeProto.AttributeType` of the specification, as far as it is used here. */
export const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 } as const;

const { ModelProto } = onnxProto.onnx;

export function encodeModel(model: ModelMessage): Uint8Array {
  return ModelProto.encode(model).finish();
}

/** The message in `bytes`; throws `UserError("bad-file")`, about `file`, where they are no protobuf message. */
export function decodeModel(bytes: Uint8Array, file: string): ModelMessage {
  try {
    return ModelProto.decode(bytes);
  } catch (cause) {
    throw new UserError("bad-file", "not an ONNX file, or one that was cut short", {
      about: file,
      hint: "Export or copy the file again.",
      cause,
    });
  }
}

/** A protobuf 64-bit integer as a number. */
export function toNumber(value: number | { toNumber(): number } | null | undefined, absent = 0): number {
  if (value === null || value === undefined) return absent;
  return typeof value === "number" ? value : value.toNumber();
}

/** An attribute's value on the way out: a whole number, a list of them, or `{ float }`. */
export type AttributeValue = number | readonly number[] | { readonly float: number };

export function attributeMessage(name: string, value: AttributeValue): AttributeMessage {
  if (typeof value === "number") return { name, type: attributeTypes.int, i: value };
  if ("float" in value) return { name, type: attributeTypes.float, f: value.float };
  return { name, type: attributeTypes.ints, ints: [...value] };
}

function bytesOf(data: Float32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

export function floatTensorMessage(name: string, dims: Shape, data: Float32Array): TensorMessage {
  return { name, dataType: dataTypes.float, dims: [...dims], rawData: bytesOf(data) };
}

export function integerTensorMessage(name: string, values: readonly bigint[]): TensorMessage {
  return { name, dataType: dataTypes.int64, dims: [values.length], rawData: bytesOf(BigInt64Array.from(values)) };
}

export function valueMessage(name: string, elemType: number, shape: readonly (number | string)[]): ValueMessage {
  const dim = shape.map((size) => (typeof size === "string" ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

/** A tensor of a file: 32-bit floats (a parameter) or 64-bit integers (a shape, bounds, paddings). */
export type Constant =
  | { readonly type: "float"; readonly dims: Shape; readonly values: Float32Array }
  | { readonly type: "integers"; readonly values: readonly bigint[] };

/** Decodes a tensor; throws `UserError` on an element type that is not read, external data, or a size that does not fit its dims. */
export function constantOf(message: TensorMessage, file: string): Constant {
  const about = `tensor "${message.name ?? ""}" in ${file}`;
  if ((message.externalData ?? []).length > 0 || message.dataLocation === 1) {
    throw new UserError("unsupported", "its data lies in another file", {
      about,
      hint: "Export with the data inside.",
    });
  }
  const dims = (message.dims ?? []).map((size) => toNumber(size));
  const raw = message.rawData ?? new Uint8Array();
  const count = elementCount(dims);
  const fits = (received: number): void => {
    if (received === count && dims.every((size) => size >= 0)) return;
    throw new UserError("bad-file", "does not hold as many values as its dims say", {
      about,
      expected: `${count} for ${formatShape(dims)}`,
      received: `${received}`,
    });
  };
  switch (message.dataType) {
    case dataTypes.float: {
      const values =
        raw.length > 0
          ? new Float32Array(new Uint8Array(raw).buffer, 0, Math.floor(raw.length / 4))
          : Float32Array.from(message.floatData ?? []);
      fits(raw.length > 0 ? raw.length / 4 : values.length);
      return { type: "float", dims, values };
    }
    case dataTypes.int64: {
      const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
      const values =
        raw.length > 0
          ? Array.from({ length: Math.floor(raw.length / 8) }, (_, index) => view.getBigInt64(index * 8, true))
          : (message.int64Data ?? []).map((value) => BigInt(value.toString()));
      fits(raw.length > 0 ? raw.length / 8 : values.length);
      return { type: "integers", values };
    }
    default:
      throw new UserError("unsupported", "has an element type that is not read", {
        about,
        expected: "FLOAT (1) or INT64 (7)",
        received: `${message.dataType ?? 0}`,
      });
  }
}
