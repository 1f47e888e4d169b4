/** A constant of floats, integers or booleans as the bytes of a tensor. */
import type { Constant } from "../folding/constant.ts";
import { dataTypes } from "../proto.ts";
import { encode } from "../protobuf/encode.ts";

/** `TensorProto.DataType.BOOL`. */
const BOOLEAN = 9;

export function encodedConstant(name: string, { type, dims }: Constant, numbers: readonly number[]): Uint8Array {
  const dataType = type === "float" ? dataTypes.float : type === "integer" ? dataTypes.int64 : BOOLEAN;
  return encode("TensorProto", { name, dims: [...dims], dataType, rawData: bytesOf(type, numbers) });
}

function bytesOf(type: Constant["type"], numbers: readonly number[]): Uint8Array {
  if (type === "float") return new Uint8Array(Float32Array.from(numbers).buffer);
  if (type === "integer") return new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer);
  return Uint8Array.from(numbers);
}
