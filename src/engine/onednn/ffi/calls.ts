/** Calling the library: out-parameters, statuses, and the memory that its answers point to. */
import koffi from "koffi";
import { InternalError, required } from "../../../core/errors.ts";
import type { Handle } from "./abi.ts";
import { status } from "./constants.ts";

/** What the library calls the status of a call. */
export function statusName(result: number): string {
  return status[result] ?? `status ${result}`;
}

/** Raises the library's status of a call as an error, unless it is success. */
export function check(result: number, what: string): void {
  if (result !== 0) throw new InternalError(`oneDNN: ${what}: ${statusName(result)}`);
}

/** Calls a function whose first parameter is an out-pointer, and returns what it wrote there. */
export function create(what: string, call: (out: BigUint64Array) => number): Handle {
  const out = new BigUint64Array(1);
  check(call(out), what);
  return created(out, what);
}

/** What a call wrote to `out`. */
export function created(out: BigUint64Array, what: string): Handle {
  return required(out[0], what);
}

/** A copy of `bytes` of native memory. */
export function structOf(address: Handle, bytes: number): Uint8Array {
  return koffi.decode(address, "uint8_t", bytes) as Uint8Array;
}

/** `count` numbers of 64 bits in native memory. */
export function extentsAt(address: Handle, count: number): readonly number[] {
  return Array.from(koffi.decode(address, "int64_t", count) as BigInt64Array, Number);
}
