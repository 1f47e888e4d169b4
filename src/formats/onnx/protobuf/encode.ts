/**
 * Encodes protobuf messages: fields by ascending number, lists of numbers packed. Bytes fields are copied once, at the
 * end.
 */
import { type Field, isNumber, type MessageName, type NumberType, wire, wireOfNumber } from "./field.ts";
import { fieldsOf } from "./fields.ts";
import type { Messages } from "./messages.ts";

export function encode<Name extends MessageName>(name: Name, message: Messages[Name]): Uint8Array {
  const output = new Output();
  writeMessage(name, message, output);
  return output.finish();
}

function writeMessage(name: MessageName, message: object, output: Output): void {
  const values = new Map<string, unknown>(Object.entries(message));
  for (const field of fieldsOf[name]) {
    const value = values.get(field.name);
    if (value === undefined || value === null) continue;
    if (!Array.isArray(value)) writeValue(field, value, output);
    else if (!isNumber(field.type)) for (const one of value) writeValue(field, one, output);
    else if (value.length > 0) {
      const packed = new Output();
      for (const one of value) packed.number(field.type, Number(one));
      output.tag(field.number, wire.delimited);
      output.nested(packed);
    }
  }
}

function writeValue({ number, type }: Field, value: unknown, output: Output): void {
  if (isNumber(type)) {
    output.tag(number, wireOfNumber[type]);
    output.number(type, Number(value));
    return;
  }
  output.tag(number, wire.delimited);
  if (value instanceof Uint8Array) output.bytes(value);
  else if (typeof value === "object" && value !== null && type !== "bytes" && type !== "string") {
    const inner = new Output();
    writeMessage(type, value, inner);
    output.nested(inner);
  } else output.bytes(Buffer.from(String(value), "utf8"));
}

class Output {
  #chunks: Uint8Array[] = [];
  /** Bytes after the last chunk. */
  #open: number[] = [];
  #length = 0;

  tag(number: number, kind: number): void {
    this.#varint(number * 8 + kind);
  }

  number(type: NumberType, value: number): void {
    if (type === "float") this.#open.push(...new Uint8Array(Float32Array.of(value).buffer));
    else if (type === "double") this.#open.push(...new Uint8Array(Float64Array.of(value).buffer));
    else this.#varint(Math.trunc(value));
  }

  bytes(value: Uint8Array): void {
    this.#varint(value.length);
    this.#append(value);
  }

  nested(inner: Output): void {
    inner.#close();
    this.#varint(inner.#length);
    this.#close();
    for (const chunk of inner.#chunks) this.#chunks.push(chunk);
    this.#length += inner.#length;
  }

  finish(): Uint8Array {
    this.#close();
    return Buffer.concat(this.#chunks, this.#length);
  }

  /** Appends the 64-bit two's complement of `value` as a varint: seven bits a byte, lowest first. */
  #varint(value: number): void {
    let low = value >>> 0;
    let high = Math.floor(value / 2 ** 32) >>> 0;
    while (high > 0 || low > 127) {
      this.#open.push((low & 127) | 128);
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#open.push(low);
  }

  #append(bytes: Uint8Array): void {
    this.#close();
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  #close(): void {
    if (this.#open.length === 0) return;
    this.#chunks.push(Uint8Array.from(this.#open));
    this.#length += this.#open.length;
    this.#open = [];
  }
}
