/** Runs a candidate to time it: memory for its operands, and its calls bound to that memory. */
import { required } from "../../../core/errors.ts";
import { elementCount } from "../../../core/tensor.ts";
import { argument } from "../ffi/constants.ts";
import { copyMemory } from "../ffi/copy.ts";
import type { OneDnn } from "../ffi/library.ts";
import { createMemory, describeMemory, type MemoryDescriptor, NativeMemory } from "../ffi/memory.ts";
import { BoundPrimitive } from "../ffi/primitive.ts";
import { type Candidate, type Part, scratchpadBytes } from "./candidate.ts";

/**
 * Bytes to time a candidate on, and the largest number of copies of its operands. In a plan, a step finds little of its
 * input in the caches. On data that is in the caches, other implementations would win.
 */
const COLD_BYTES = 48 * 2 ** 20;
const MOST_COPIES = 6;
const LARGEST_COMPARED = 2 ** 31;

/** Bytes that timing `candidate` takes: copies of its operands, and one more operand in the plain layout. */
export function timingBytes(candidate: Candidate): number {
  const own = Object.values(candidate.operands).map(({ descriptor }) => descriptor.bytes);
  const reordered = Math.max(0, ...candidate.reorders.map(([from, to]) => from.bytes + to.bytes));
  const sum = own.reduce((total, bytes) => total + bytes, 0);
  // Values are written and compared in arrays, whose limit is 4 GiB.
  if (Math.max(...own) > LARGEST_COMPARED) return Number.POSITIVE_INFINITY;
  // The plain copy is at most as large as the largest argument, in f32.
  return Math.max(copiesOf(sum) * sum + scratchpadBytes(candidate) + 2 * Math.max(...own), reordered);
}

/** Number of copies of operands with this many bytes in a timing. */
function copiesOf(bytes: number): number {
  return Math.min(MOST_COPIES, Math.max(1, Math.round(COLD_BYTES / bytes)));
}

/** Roughly the number of elements of a result to compare. An odd step reaches every channel, row and column. */
const MOST_COMPARED = 2 ** 16;
/** Period of the numbers; a prime, so that the rows of an image differ along every axis. */
const PERIOD = 65_537;
const numbersOf = new Map<string, Float32Array>();

/** Pseudo-random numbers in −1…1, the same for every candidate. */
function randomNumbers(role: string): Float32Array {
  const known = numbersOf.get(role);
  if (known !== undefined) return known;
  const numbers = new Float32Array(PERIOD);
  let word = 0x9e3779b9 ^ (role.codePointAt(0) ?? 1);
  for (let position = 0; position < PERIOD; position++) {
    // xorshift32 (Marsaglia): the quality of the numbers does not matter here.
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    numbers[position] = word / 0x80000000;
  }
  numbersOf.set(role, numbers);
  return numbers;
}

export class KernelTiming {
  readonly #library: OneDnn;
  readonly #candidate: Candidate;
  readonly #scratch: NativeMemory;
  /** For each copy: memories by role, and the calls on them. */
  readonly #copies: readonly {
    readonly memories: ReadonlyMap<string, NativeMemory>;
    readonly calls: readonly BoundPrimitive[];
  }[];
  #next = 0;

  /** Fills the inputs of the first copy with pseudo-random numbers, the same for every layout of the same shape. */
  constructor(library: OneDnn, candidate: Candidate) {
    this.#library = library;
    this.#candidate = candidate;
    this.#scratch = new NativeMemory(library, scratchpadBytes(candidate));
    const operands = Object.entries(candidate.operands);
    const bytes = operands.reduce((sum, [, { descriptor }]) => sum + descriptor.bytes, 0);
    this.#copies = Array.from({ length: copiesOf(bytes) }, () => {
      const memories = new Map(
        operands.map(([role, { descriptor }]) => [role, new NativeMemory(library, descriptor.bytes)] as const),
      );
      return { memories, calls: candidate.parts.map((part) => this.#bind(part, memories)) };
    });
    for (const role of candidate.inputs) {
      if (candidate.operands[role] !== undefined) this.#fill(role);
    }
  }

  /** Runs once on each copy, which allocates their memory and generates code. Returns milliseconds of the last run. */
  warmUp(): number {
    return this.#copies.reduce(() => this.run(), 0);
  }

  /** Milliseconds of one run, on the next copy. */
  run(): number {
    const { calls } = required(this.#copies[this.#next], "a copy");
    this.#next = (this.#next + 1) % this.#copies.length;
    const start = performance.now();
    for (const call of calls) call.run();
    return performance.now() - start;
  }

  /** Elements of the first copy's result, row-major: all of a small result, every n-th of a large one. */
  result(): Float32Array {
    const { memory, descriptor } = this.#operand(this.#candidate.output);
    const plain = describeMemory(this.#library, descriptor.shape, "plain");
    const target = new NativeMemory(this.#library, plain.bytes);
    copyMemory(this.#library, { descriptor, memory }, { descriptor: plain, memory: target });
    const values = target.floats(0, elementCount(descriptor.shape));
    const step = Math.max(1, Math.floor(values.length / MOST_COMPARED)) | 1;
    const sample = Float32Array.from({ length: Math.ceil(values.length / step) }, (_, at) => values[at * step] ?? 0);
    target.free();
    return sample;
  }

  free(): void {
    for (const { memories, calls } of this.#copies) {
      for (const call of calls) call.destroy();
      for (const memory of memories.values()) memory.free();
    }
    this.#scratch.free();
  }

  #operand(role: string): { readonly memory: NativeMemory; readonly descriptor: MemoryDescriptor } {
    const { descriptor } = required(this.#candidate.operands[role], `operand "${role}"`);
    return { descriptor, memory: required(this.#copies[0]?.memories.get(role), `memory of "${role}"`) };
  }

  #fill(role: string): void {
    const { memory, descriptor } = this.#operand(role);
    const plain = describeMemory(this.#library, descriptor.shape, "plain");
    const source = new NativeMemory(this.#library, plain.bytes);
    const values = source.floats(0, elementCount(descriptor.shape));
    const numbers = randomNumbers(role);
    for (let start = 0; start < values.length; start += numbers.length) {
      values.set(numbers.subarray(0, Math.min(numbers.length, values.length - start)), start);
    }
    copyMemory(this.#library, { descriptor: plain, memory: source }, { descriptor, memory });
    source.free();
  }

  #bind({ primitive, arguments: taken }: Part, memories: ReadonlyMap<string, NativeMemory>): BoundPrimitive {
    const bound = taken.map(({ index, role, piece }) => {
      const { descriptor } = piece ?? required(this.#candidate.operands[role], `operand "${role}"`);
      const { address } = required(memories.get(role), `memory of "${role}"`);
      return [index, createMemory(this.#library, descriptor, address + BigInt(piece?.offset ?? 0))] as const;
    });
    const scratchpad = createMemory(this.#library, primitive.memory("scratchpad"), this.#scratch.address);
    return new BoundPrimitive(this.#library, primitive, [...bound, [argument.scratchpad, scratchpad]]);
  }
}
