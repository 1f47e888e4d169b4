/**
 * Decodes protobuf messages: https://protobuf.dev/programming-guides/encoding. Bytes fields are views of the file, not
 * copies. Fields that onnx.proto does not declare are skipped. 64-bit integers become the nearest number. No declared
 * message contains itself, so the depth of nesting is bounded by the declaration, whatever the file says.
 */
import { UserError } from "../../../core/errors.ts";
import { type Field, isNumber, type MessageName, type NumberType, wire, wireOfNumber } from "./field.ts";
import { fieldsOf } from "./fields.ts";
import type { Messages } from "./messages.ts";

const tables = new Map(
  Object.entries(fieldsOf).map(([name, fields]) => [name, new Map(fields.map((field) => [field.number, field]))]),
);

/**
 * Decodes the message `name` in `bytes`. Throws `UserError("bad-file")` about `file` if they are not such a message.
 */
export function decode<Name extends MessageName>(name: Name, bytes: Uint8Array, file: string): Messages[Name] {
  return new Reader(bytes, file).message(name, bytes.length);
}

class Reader {
  readonly #bytes: Buffer;
  readonly #file: string;
  #position = 0;
  /** The upper 32 bits of the last varint. */
  #high = 0;

  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#file = file;
  }

  message<Name extends MessageName>(name: Name, end: number): Messages[Name] {
    const message: Record<string, unknown> = {};
    while (this.#position < end) {
      const tag = this.#length();
      const [number, kind] = [tag >>> 3, tag & 7];
      const field = tables.get(name)?.get(number);
      if (number === 0) this.#refuse("a field without a number");
      else if (field === undefined) this.#skip(kind);
      else if (field.repeated) this.#append(message, field, kind);
      else message[field.name] = this.#value(field, kind);
    }
    if (this.#position > end) this.#refuse("a field that ends beyond the end of its message");
    // The table and the type are generated from the same text, so the fields fit the type.
    return message as Messages[Name];
  }

  #append(message: Record<string, unknown>, field: Field, kind: number): void {
    const before = message[field.name];
    const values: unknown[] = Array.isArray(before) ? before : [];
    message[field.name] = values;
    if (kind === wire.delimited && isNumber(field.type)) {
      const end = this.#end();
      while (this.#position < end) values.push(this.#number(field.type));
      if (this.#position > end) this.#refuse("a truncated list of numbers");
    } else values.push(this.#value(field, kind));
  }

  #value({ name, type }: Field, kind: number): unknown {
    if (kind !== (isNumber(type) ? wireOfNumber[type] : wire.delimited)) {
      this.#refuse(`field ${name} is encoded as another type`);
    }
    if (isNumber(type)) return this.#number(type);
    const end = this.#end();
    if (type !== "bytes" && type !== "string") return this.message(type, end);
    const start = this.#position;
    this.#position = end;
    return type === "bytes" ? this.#bytes.subarray(start, end) : this.#bytes.toString("utf8", start, end);
  }

  #number(type: NumberType): number {
    switch (type) {
      case "float":
        return this.#bytes.readFloatLE(this.#advance(4));
      case "double":
        return this.#bytes.readDoubleLE(this.#advance(8));
      case "int32":
        return this.#varint() | 0;
      case "int64": {
        const low = this.#varint();
        return (this.#high | 0) * 2 ** 32 + low;
      }
      case "uint64": {
        const low = this.#varint();
        return (this.#high >>> 0) * 2 ** 32 + low;
      }
    }
  }

  /**
   * Reads a varint and returns its lower 32 bits: seven bits a byte, lowest first, the top bit set in all bytes but the
   * last.
   */
  #varint(): number {
    let low = 0;
    this.#high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#advance(1)] ?? 0;
      const bits = byte & 127;
      if (shift < 32) low |= bits << shift;
      if (shift === 28) this.#high = bits >>> 4;
      else if (shift > 28) this.#high |= bits << (shift - 32);
      if (byte < 128) return low >>> 0;
    }
    return this.#refuse("a number of more than ten bytes");
  }

  /** Reads a tag or a length. */
  #length(): number {
    const low = this.#varint();
    if (this.#high !== 0) this.#refuse("a length beyond the end of the file");
    return low;
  }

  /** Reads a length and returns the position where the field ends. */
  #end(): number {
    const length = this.#length();
    const end = this.#position + length;
    if (end > this.#bytes.length) this.#refuse("a field that ends beyond the end of the file");
    return end;
  }

  #skip(kind: number): void {
    if (kind === wire.varint) this.#varint();
    else if (kind === wire.eightBytes) this.#advance(8);
    else if (kind === wire.fourBytes) this.#advance(4);
    else if (kind === wire.delimited) this.#position = this.#end();
    else this.#refuse(`a field of the unknown wire type ${kind}`);
  }

  /** Moves the position on by `count` bytes; returns the old one. */
  #advance(count: number): number {
    const start = this.#position;
    this.#position = start + count;
    if (this.#position > this.#bytes.length) this.#refuse("a field that ends beyond the end of the file");
    return start;
  }

  #refuse(reason: string): never {
    throw new UserError("bad-file", `not an ONNX file, or a truncated one: ${reason}`, {
      about: this.#file,
      hint: "Export or copy the file again",
    });
  }
}
