/**
 * Counter-based random numbers: a value depends only on (seed, stream, counter), not on earlier values. So a resumed
 * run gets the same numbers, and so does another worker or another order of work.
 *
 * The generator is Philox 4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011).
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = (middle & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/** Four unsigned 32-bit words from a 128-bit counter and a 64-bit key. */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = multiplyHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** The stream number for a purpose such as "augment" or "weights:conv1": the FNV-1a hash of its name. */
export function streamOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** A sequence of random numbers for (seed, stream, a, b). It is cheap to create, so make one per purpose. */
export class RandomStream {
  readonly #key: readonly [number, number];
  readonly #a: number;
  readonly #b: number;
  #counter = 0;
  #words: readonly number[] = [];

  /** `seed`: 32 bits; `stream`: the purpose, see `streamOf`; `a`, `b`: the position within it, e.g. (epoch, image). */
  constructor(seed: number, stream: number | string, a = 0, b = 0) {
    this.#key = [seed >>> 0, typeof stream === "string" ? streamOf(stream) : stream >>> 0];
    this.#a = a >>> 0;
    this.#b = b >>> 0;
  }

  /** The next unsigned 32-bit word. */
  word(): number {
    const lane = this.#counter & 3;
    if (lane === 0) this.#words = philox4x32([this.#counter >>> 2, 0, this.#a, this.#b], this.#key);
    this.#counter++;
    return this.#words[lane] ?? 0;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return this.word() / 0x100000000;
  }

  /** Uniform integer in 0 … bound − 1 (bias below bound / 2³²). */
  integer(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** Standard normal, by Box and Muller. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A random permutation of 0 … length − 1 (Fisher and Yates). */
  permutation(length: number): Int32Array {
    const order = Int32Array.from({ length }, (_, index) => index);
    for (let last = length - 1; last > 0; last--) {
      const other = this.integer(last + 1);
      const swapped = order[last] ?? 0;
      order[last] = order[other] ?? 0;
      order[other] = swapped;
    }
    return order;
  }
}
