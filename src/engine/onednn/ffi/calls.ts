/** Helpers for calls of the library: out-parameters, statuses, and reading native memory. */
import koffi from "koffi";
import { InternalError, required } from "../../../core/errors.ts";
import type { Handle } from "./abi.ts";
import { status } from "./constants.ts";

/** The library's name of a status. */
export function statusName(result: number): string {
  return status[result] ?? `status ${result}`;
}

/** Throws an error unless the status of a call is success. */
export function check(result: number, what: string): void {
  if (result !== 0) throw new InternalError(`oneDNN: ${what}: ${statusName(result)}`);
}

/** Calls a function whose first parameter is an out-pointer, and returns what it wrote there. */
export function create(what: string, call: (out: BigUint64Array) => number): Handle {
  const out = new BigUint64Array(1);
  check(call(out), what);
  return created(out, what);
}

/** The pointer that a call wrote to `out`. */
export function created(out: BigUint64Array, what: string): Handle {
  return required(out[0], what);
}

/** Copies `bytes` of native memory. */
export function structOf(address: Handle, bytes: number): Uint8Array {
  return koffi.decode(address, "uint8_t", bytes) as Uint8Array;
}

/** Reads `count` numbers of 64 bits from native memory. */
export function extentsAt(address: Handle, count: number): readonly number[] {
  return Array.from(koffi.decode(address, "int64_t", count) as BigInt64Array, Number);
}
