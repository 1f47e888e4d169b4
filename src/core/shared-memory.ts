/** Memory that threads share: posting a tensor in it to another thread makes no copy. */
import { type Tensor, tensor } from "./tensor.ts";

/** `length` zeros in shared memory. */
export function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

/** `values` with each tensor in shared memory. */
export function allInSharedMemory(values: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  return new Map([...values].map(([name, value]) => [name, inSharedMemory(value)]));
}

/** `value` itself if it is in shared memory, else a copy in shared memory. */
export function inSharedMemory(value: Tensor): Tensor {
  if (value.data.buffer instanceof SharedArrayBuffer) return value;
  const data = sharedFloats(value.data.length);
  data.set(value.data);
  return tensor(value.shape, data);
}
