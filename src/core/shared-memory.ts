/** Memory that threads share: what lies in it is handed from thread to thread without a copy. */
import { type Tensor, tensor } from "./tensor.ts";

/** Zeros. */
export function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

/** Values by name, each in shared memory. */
export function allInSharedMemory(values: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  return new Map([...values].map(([name, value]) => [name, inSharedMemory(value)]));
}

/** `value` itself if it lies in shared memory, a copy there if not. */
export function inSharedMemory(value: Tensor): Tensor {
  if (value.data.buffer instanceof SharedArrayBuffer) return value;
  const data = sharedFloats(value.data.length);
  data.set(value.data);
  return tensor(value.shape, data);
}
