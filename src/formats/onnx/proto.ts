/**
 * The ONNX messages that Espalier uses: decodes and encodes them, and builds them from plain values.
 *
 * ONNX files are little-endian, as are all machines that this package supports.
 */
import type { Shape } from "../../core/tensor.ts";
import { decode } from "./protobuf/decode.ts";
import { encode } from "./protobuf/encode.ts";
import type { AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from "./protobuf/messages.ts";

export type ModelMessage = ModelProto;
export type NodeMessage = NodeProto;
export type TensorMessage = TensorProto;
export type ValueMessage = ValueInfoProto;
export type AttributeMessage = AttributeProto;

/** The values of `TensorProto.DataType` that are used here. */
export const dataTypes = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7 } as const;
/** The values of `AttributeProto.AttributeType` that are used here. */
export const attributeTypes = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7 } as const;

export function encodeModel(model: ModelMessage): Uint8Array {
  return encode("ModelProto", model);
}

/** Decodes the model in `bytes`. Throws `UserError("bad-file")` about `file` if they are not a protobuf message. */
export function decodeModel(bytes: Uint8Array, file: string): ModelMessage {
  return decode("ModelProto", bytes, file);
}

/** The value of an attribute to write: an integer, a list of integers, a string, or `{ float }`. */
export type AttributeValue = number | readonly number[] | string | { readonly float: number };

export function attributeMessage(name: string, value: AttributeValue): AttributeMessage {
  if (typeof value === "number") return { name, type: attributeTypes.int, i: value };
  if (typeof value === "string") return { name, type: attributeTypes.string, s: new TextEncoder().encode(value) };
  if ("float" in value) return { name, type: attributeTypes.float, f: value.float };
  return { name, type: attributeTypes.ints, ints: [...value] };
}

type SmallIntegers = Uint8Array | Int8Array | Int32Array;

function bytesOf(data: Float32Array | BigInt64Array | SmallIntegers): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

export function floatTensorMessage(name: string, dims: Shape, data: Float32Array): TensorMessage {
  return { name, dataType: dataTypes.float, dims: [...dims], rawData: bytesOf(data) };
}

export function integerTensorMessage(name: string, values: readonly bigint[]): TensorMessage {
  return { name, dataType: dataTypes.int64, dims: [values.length], rawData: bytesOf(BigInt64Array.from(values)) };
}

/** A tensor of 8-bit or 32-bit integers: the element type is that of `data`. */
export function smallIntegerTensorMessage(name: string, dims: Shape, data: SmallIntegers): TensorMessage {
  const dataType =
    data instanceof Uint8Array ? dataTypes.uint8 : data instanceof Int8Array ? dataTypes.int8 : dataTypes.int32;
  return { name, dataType, dims: [...dims], rawData: bytesOf(data) };
}

export function valueMessage(name: string, elemType: number, shape: readonly (number | string)[]): ValueMessage {
  const dim = shape.map((size) => (typeof size === "string" ? { dimParam: size } : { dimValue: size }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}
