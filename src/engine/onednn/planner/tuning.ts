/**
 * Chooses among implementations by timing them once on the shapes at hand, because no rule predicts which is fastest (see
 * docs/engine.md). A choice is remembered under a key, so that equal layers are timed once, and a resumed run is given
 * the choices of its first part: other kernels would round differently.
 */
import { InternalError } from "../../../core/errors.ts";
import { elementCount } from "../../../core/tensor.ts";
import type { KernelChoices } from "../../engine.ts";
import { argument, isaAvx512Core } from "../ffi/constants.ts";
import type { OneDnn } from "../ffi/library.ts";
import {
  createMemory,
  type DataType,
  describeMemory,
  type LayoutName,
  type MemoryDescriptor,
  NativeMemory,
} from "../ffi/memory.ts";
import { BoundPrimitive, type PrimitiveDescriptor, reorderDescriptor } from "../ffi/primitive.ts";

/** What a candidate reads while it is timed. */
export interface CandidateInput {
  readonly index: number;
  readonly descriptor: MemoryDescriptor;
  /** Inputs of the same name hold the same numbers for every candidate. */
  readonly name: string;
  /** From those numbers, in row-major order, to what this candidate wants to be given instead. */
  readonly arrange?: (values: Float32Array) => Float32Array;
}

export interface Candidate {
  /** Layout and implementation: unique among the candidates of a key. */
  readonly name: string;
  readonly primitive: PrimitiveDescriptor;
  readonly inputs: readonly CandidateInput[];
  readonly output: readonly [index: number, descriptor: MemoryDescriptor];
  /** Outputs that are not compared (a bias' gradient). */
  readonly otherOutputs: readonly (readonly [index: number, descriptor: MemoryDescriptor])[];
  /** Reorders that choosing it would cost, each from a layout to another. */
  readonly reorders: readonly (readonly [MemoryDescriptor, MemoryDescriptor])[];
}

/** Runs timed for each candidate; their median counts. */
const RUNS = 9;
/**
 * Bytes that a candidate is timed on, and the most copies of its arguments that make them up: in a plan a step finds
 * little of what it reads in the caches, and on warm data other implementations win.
 */
const COLD_BYTES = 48 * 2 ** 20;
const MOST_COPIES = 6;
/** A later candidate wins only if it takes less than this share of the time: equals are not told apart by noise. */
const CLEARLY = 0.97;
/** A candidate whose outputs differ more from the first one's, relative to the largest, may not win. */
const tolerances = { f32: 1e-4, bf16: 1e-2, i32: 0 } as const satisfies Record<DataType, number>;

export class Tuner {
  readonly blockedLayout: LayoutName;
  readonly #library: OneDnn;
  readonly #given: KernelChoices;
  readonly #choices: Record<string, string> = {};

  /** `given`: choices to repeat, for the keys that come up again and if this machine offers them. */
  constructor(library: OneDnn, given: KernelChoices) {
    this.#library = library;
    this.#given = given;
    const hasWideVectors = (library.calls.instructionSet & isaAvx512Core) === isaAvx512Core;
    this.blockedLayout = hasWideVectors ? "nChw16c" : "nChw8c";
  }

  /** What was chosen, for the keys that came up. */
  get choices(): KernelChoices {
    return this.#choices;
  }

  /** The candidate to use for `key`; the others are destroyed. The first must be one that is known to be accurate. */
  choose(key: string, candidates: readonly Candidate[]): Candidate {
    const wanted = this.#choices[key] ?? this.#given[key];
    const remembered = candidates.find(({ name }) => name === wanted);
    const chosen = remembered ?? this.#fastest(candidates);
    if (chosen === undefined) throw new InternalError(`oneDNN has no implementation for ${key}`);
    this.#choices[key] = chosen.name;
    for (const { primitive } of candidates) if (primitive !== chosen.primitive) primitive.destroy();
    return chosen;
  }

  #fastest(candidates: readonly Candidate[]): Candidate | undefined {
    if (candidates.length <= 1) return candidates[0];
    let best: { candidate: Candidate; milliseconds: number } | undefined;
    let expected: Float32Array | undefined;
    const tolerance = toleranceOf(candidates);
    for (const candidate of candidates) {
      const { milliseconds, result } = this.#measure(candidate);
      expected ??= result;
      if (relativeError(result, expected) > tolerance) continue;
      const total = candidate.reorders.reduce((sum, [from, to]) => sum + this.#timeReorder(from, to), milliseconds);
      if (best === undefined || total < CLEARLY * best.milliseconds) best = { candidate, milliseconds: total };
    }
    return best?.candidate;
  }

  #measure({ primitive, inputs, output, otherOutputs }: Candidate): { milliseconds: number; result: Float32Array } {
    const bench = new Bench(this.#library);
    try {
      for (const input of inputs) bench.fill(input);
      for (const [index, descriptor] of [output, ...otherOutputs]) bench.argument(index, descriptor);
      bench.argument(argument.scratchpad, primitive.memory("scratchpad"));
      return { milliseconds: bench.time(primitive), result: bench.read(output[0], output[1]) };
    } finally {
      bench.free();
    }
  }

  #timeReorder(from: MemoryDescriptor, to: MemoryDescriptor): number {
    const primitive = reorderDescriptor(this.#library, from, to);
    if (primitive === undefined) return Number.POSITIVE_INFINITY;
    const bench = new Bench(this.#library);
    try {
      bench.argument(argument.src, from);
      bench.argument(argument.dst, to);
      bench.argument(argument.scratchpad, primitive.memory("scratchpad"));
      return bench.time(primitive);
    } finally {
      bench.free();
      primitive.destroy();
    }
  }
}

/** That of the coarsest number any candidate reads or writes: beside bf16 even f32 differs by what bf16 rounds. */
function toleranceOf(candidates: readonly Candidate[]): number {
  const types = candidates.flatMap(({ inputs, output }) => [
    output[1].type,
    ...inputs.map(({ descriptor }) => descriptor.type),
  ]);
  return Math.max(...types.map((type) => tolerances[type]));
}

function relativeError(values: Float32Array, expected: Float32Array): number {
  let difference = 0;
  let largest = 0;
  for (let index = 0; index < expected.length; index++) {
    const reference = expected[index] ?? 0;
    difference = Math.max(difference, Math.abs((values[index] ?? Number.NaN) - reference));
    largest = Math.max(largest, Math.abs(reference));
  }
  return difference === 0 ? 0 : difference / largest;
}

/** Memory for one primitive's arguments, and a stop-watch. */
class Bench {
  readonly #library: OneDnn;
  readonly #arguments = new Map<number, { memory: NativeMemory; descriptor: MemoryDescriptor }>();

  constructor(library: OneDnn) {
    this.#library = library;
  }

  argument(index: number, descriptor: MemoryDescriptor): NativeMemory {
    const memory = new NativeMemory(this.#library, descriptor.bytes);
    this.#arguments.set(index, { memory, descriptor });
    return memory;
  }

  /** An argument with arbitrary numbers in −1…1, the same for every layout of the same shape. */
  fill({ index, descriptor, name, arrange }: CandidateInput): void {
    const memory = this.argument(index, descriptor);
    const plain = describeMemory(this.#library, descriptor.shape, "plain");
    const source = new NativeMemory(this.#library, plain.bytes);
    const values = source.floats(0, elementCount(descriptor.shape));
    let word = 0x9e3779b9 ^ (name.codePointAt(0) ?? 1);
    for (let position = 0; position < values.length; position++) {
      // xorshift32 (Marsaglia): millions of numbers in milliseconds; their quality does not matter here.
      word ^= word << 13;
      word ^= word >>> 17;
      word ^= word << 5;
      values[position] = word / 0x80000000;
    }
    if (arrange !== undefined) values.set(arrange(values));
    this.#copy(plain, source, descriptor, memory);
    source.free();
  }

  read(index: number, descriptor: MemoryDescriptor): Float32Array {
    const plain = describeMemory(this.#library, descriptor.shape, "plain");
    const target = new NativeMemory(this.#library, plain.bytes);
    const { memory } = this.#arguments.get(index) ?? { memory: target };
    this.#copy(descriptor, memory, plain, target);
    const values = target.floats(0, elementCount(descriptor.shape)).slice();
    target.free();
    return values;
  }

  /** Milliseconds of the median run, each on another copy of the arguments. */
  time(primitive: PrimitiveDescriptor): number {
    const bytes = [...this.#arguments.values()].reduce((sum, { memory }) => sum + memory.bytes, 0);
    const copies = Math.min(MOST_COPIES, Math.max(1, Math.round(COLD_BYTES / bytes)));
    const others: NativeMemory[] = [];
    const bind = (memoryOf: (memory: NativeMemory) => NativeMemory): BoundPrimitive =>
      new BoundPrimitive(
        this.#library,
        primitive,
        [...this.#arguments].map(
          ([index, { memory, descriptor }]) =>
            [index, createMemory(this.#library, descriptor, memoryOf(memory).address)] as const,
        ),
      );
    const another = (memory: NativeMemory): NativeMemory => {
      const copy = new NativeMemory(this.#library, memory.bytes);
      others.push(copy);
      return copy;
    };
    const bound = Array.from({ length: copies }, (_, copy) => bind(copy === 0 ? (memory) => memory : another));
    try {
      for (const each of bound) each.run();
      const times = Array.from({ length: RUNS }, (_, run) => {
        const start = performance.now();
        bound[run % copies]?.run();
        return performance.now() - start;
      });
      return times.toSorted((a, b) => a - b)[RUNS >> 1] ?? Number.POSITIVE_INFINITY;
    } finally {
      for (const each of bound) each.destroy();
      for (const memory of others) memory.free();
    }
  }

  free(): void {
    for (const { memory } of this.#arguments.values()) memory.free();
  }

  #copy(from: MemoryDescriptor, source: NativeMemory, to: MemoryDescriptor, target: NativeMemory): void {
    copyMemory(this.#library, from, source, 0, to, target, 0);
  }
}

/** Copies values once, from one layout to another. Offsets in bytes. */
export function copyMemory(
  library: OneDnn,
  from: MemoryDescriptor,
  source: NativeMemory,
  sourceOffset: number,
  to: MemoryDescriptor,
  target: NativeMemory,
  targetOffset: number,
): void {
  const primitive = reorderDescriptor(library, from, to);
  if (primitive === undefined) throw new InternalError("oneDNN has no reorder between two layouts of one shape");
  const scratch = new NativeMemory(library, primitive.memory("scratchpad").bytes);
  const bound = new BoundPrimitive(library, primitive, [
    [argument.src, createMemory(library, from, source.address + BigInt(sourceOffset))],
    [argument.dst, createMemory(library, to, target.address + BigInt(targetOffset))],
    [argument.scratchpad, createMemory(library, primitive.memory("scratchpad"), scratch.address)],
  ]);
  bound.run();
  bound.destroy();
  primitive.destroy();
  scratch.free();
}
