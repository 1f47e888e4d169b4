import { RandomStream } from "../../src/core/random.ts";

/** `count` bytes below `bound` that depend on `name` only. */
export function randomBytes(name: string, count: number, bound = 256): Uint8Array {
  const random = new RandomStream(1, name);
  return Uint8Array.from({ length: count }, () => random.integer(bound));
}
