/** The types of the generated table of fields. */
import type { Messages } from "./messages.ts";

export type MessageName = keyof Messages;
export type NumberType = "float" | "double" | "int32" | "int64" | "uint64";

export interface Field {
  readonly number: number;
  readonly name: string;
  readonly type: MessageName | NumberType | "string" | "bytes";
  readonly repeated: boolean;
}

/** Wire types: how a value is encoded. The low three bits of its tag hold the number. */
export const wire = { varint: 0, eightBytes: 1, delimited: 2, fourBytes: 5 } as const;

export const wireOfNumber: Readonly<Record<NumberType, number>> = {
  float: wire.fourBytes,
  double: wire.eightBytes,
  int32: wire.varint,
  int64: wire.varint,
  uint64: wire.varint,
};

export function isNumber(type: Field["type"]): type is NumberType {
  return Object.hasOwn(wireOfNumber, type);
}
