/**
 * Chooses among implementations by timing them once on the shapes at hand, because no rule predicts which is fastest (see
 * docs/engine.md). A choice is remembered under a key, so that equal layers are timed once, and a resumed run is given
 * the choices of its first part: other kernels would round differently.
 */
import { InternalError } from "../../../core/errors.ts";
import { elementCount } from "../../../core/tensor.ts";
import type { KernelChoices, PassedOver } from "../../engine.ts";
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
import { Refusal } from "../ffi/refusal.ts";

export interface Candidate {
  /** Layout and implementation: unique among the candidates of a key. */
  readonly name: string;
  readonly primitive: PrimitiveDescriptor;
  readonly inputs: readonly (readonly [index: number, descriptor: MemoryDescriptor])[];
  readonly output: readonly [index: number, descriptor: MemoryDescriptor];
  /** Outputs that are not compared (a bias' gradient). */
  readonly otherOutputs: readonly (readonly [index: number, descriptor: MemoryDescriptor])[];
  /** Reorders that choosing it would cost, each from a layout to another. */
  readonly reorders: readonly (readonly [MemoryDescriptor, MemoryDescriptor])[];
}

/** How a primitive came to be chosen. */
export interface Decision {
  readonly candidates: number;
  readonly passedOver: readonly PassedOver[];
}

/** Runs timed for each candidate; the fastest counts, for noise only ever adds. */
const RUNS = 4;
/** A later candidate wins only if it takes less than this share of the time: equals are not told apart by noise. */
const CLEARLY = 0.97;
/** A candidate whose outputs differ more from the first one's, relative to the largest, may not win. */
const tolerances = { f32: 1e-4, bf16: 1e-2, i32: 0 } as const satisfies Record<DataType, number>;

/** Chooses without timing, for a plan that is only measured; or says what may be timed. */
export interface TuningLimits {
  /** Takes the place of timing. */
  readonly pick?: (candidates: readonly Candidate[]) => Candidate | undefined;
  /** Bytes that timing may take at a time; candidates that need more are not timed. */
  readonly memory?: () => number;
}

export class Tuner {
  readonly blockedLayout: LayoutName;
  readonly #library: OneDnn;
  readonly #given: KernelChoices;
  readonly #limits: TuningLimits;
  readonly #choices: Record<string, string> = {};
  readonly #untimed = new Set<string>();
  readonly #passedOver = new Map<string, readonly PassedOver[]>();
  readonly #decisions = new WeakMap<PrimitiveDescriptor, Decision>();

  /** `given`: choices to repeat, for the keys that come up again and if this machine offers them. */
  constructor(library: OneDnn, given: KernelChoices, limits: TuningLimits = {}) {
    this.#limits = limits;
    this.#library = library;
    this.#given = given;
    const hasWideVectors = (library.calls.instructionSet & isaAvx512Core) === isaAvx512Core;
    this.blockedLayout = hasWideVectors ? "nChw16c" : "nChw8c";
  }

  /** What was chosen, for the keys that came up. */
  get choices(): KernelChoices {
    return this.#choices;
  }

  /** Those that are worth keeping: timed, or the only one. */
  get lastingChoices(): KernelChoices {
    return Object.fromEntries(Object.entries(this.#choices).filter(([key]) => !this.#untimed.has(key)));
  }

  /** The candidate to use for `key`; the others are destroyed. The first must be one that is known to be accurate. */
  choose(key: string, candidates: readonly Candidate[]): Candidate {
    const wanted = this.#choices[key] ?? this.#given[key];
    const remembered = candidates.find(({ name }) => name === wanted);
    const chosen = remembered ?? (this.#limits.pick ?? ((all) => this.#fastest(key, all)))(candidates);
    if (chosen === undefined) throw new Refusal(`run ${key}`, "no implementation that is right");
    this.#choices[key] = chosen.name;
    const passedOver = this.#passedOver.get(key) ?? [];
    this.#decisions.set(chosen.primitive, { candidates: candidates.length, passedOver });
    for (const { primitive } of candidates) if (primitive !== chosen.primitive) primitive.destroy();
    return chosen;
  }

  /** How `primitive` was chosen; undefined if there was nothing to choose. */
  decision(primitive: PrimitiveDescriptor): Decision | undefined {
    return this.#decisions.get(primitive);
  }

  #fastest(key: string, candidates: readonly Candidate[]): Candidate | undefined {
    if (candidates.length <= 1) return candidates[0];
    const others: PassedOver[] = [];
    const timed: { readonly implementation: string; readonly milliseconds: number }[] = [];
    let best: { candidate: Candidate; milliseconds: number } | undefined;
    let expected: Float32Array | undefined;
    const memory = this.#limits.memory?.() ?? Number.POSITIVE_INFINITY;
    for (const candidate of candidates) {
      const bytes = timingBytes(candidate);
      if (bytes > memory) {
        others.push({ implementation: candidate.name, reason: `not timed: that takes ${bytes} bytes of memory` });
        // Without the first one's numbers nothing tells whether the others' are right.
        if (expected === undefined) break;
        continue;
      }
      const { milliseconds, result } = this.#measure(candidate);
      expected ??= result;
      const error = relativeError(result, expected);
      const tolerance = tolerances[candidate.output[1].type];
      // A result that is no number is never within.
      if (!(error <= tolerance)) {
        others.push({ implementation: candidate.name, reason: inaccuracy(error, tolerance) });
        continue;
      }
      const total = candidate.reorders.reduce((sum, [from, to]) => sum + this.#timeReorder(from, to), milliseconds);
      timed.push({ implementation: candidate.name, milliseconds: total });
      if (best === undefined || total < CLEARLY * best.milliseconds) best = { candidate, milliseconds: total };
    }
    this.#passedOver.set(key, [
      ...timed
        .filter(({ implementation }) => implementation !== best?.candidate.name)
        .map(({ implementation, milliseconds }) => ({
          implementation,
          reason: `took ${milliseconds.toFixed(3)} ms, the chosen one ${best?.milliseconds.toFixed(3)} ms`,
        })),
      ...others,
    ]);
    if (expected !== undefined) return best?.candidate;
    // None could be timed: the first is the library's own choice.
    this.#untimed.add(key);
    return candidates[0];
  }

  #measure({ primitive, inputs, output, otherOutputs }: Candidate): { milliseconds: number; result: Float32Array } {
    const bench = new Bench(this.#library);
    try {
      for (const [index, descriptor] of inputs) bench.fill(index, descriptor);
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

const LARGEST_COMPARED = 2 ** 31;

/** Bytes that a candidate needs at a time when it is timed: all its arguments, and one of them in the plain layout. */
export function timingBytes({ primitive, inputs, output, otherOutputs, reorders }: Candidate): number {
  const own = [...inputs, output, ...otherOutputs].map(([, { bytes }]) => bytes);
  const reordered = Math.max(0, ...reorders.map(([from, to]) => from.bytes + to.bytes));
  const sum = own.reduce((total, bytes) => total + bytes, 0) + primitive.memory("scratchpad").bytes;
  // Numbers are written and compared in arrays, which end at 4 GiB.
  if (Math.max(...own) > LARGEST_COMPARED) return Number.POSITIVE_INFINITY;
  // The plain copy is at most as large as the largest argument, in f32.
  return Math.max(sum + 2 * Math.max(...own), reordered);
}

function inaccuracy(error: number, tolerance: number): string {
  return `off by ${error.toExponential(1)} of the largest value, where ${tolerance} is allowed`;
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
  fill(index: number, descriptor: MemoryDescriptor): void {
    const memory = this.argument(index, descriptor);
    const plain = describeMemory(this.#library, descriptor.shape, "plain");
    const source = new NativeMemory(this.#library, plain.bytes);
    const values = source.floats(0, elementCount(descriptor.shape));
    let word = 0x9e3779b9 ^ (index + 1);
    for (let position = 0; position < values.length; position++) {
      // xorshift32 (Marsaglia): millions of numbers in milliseconds; their quality does not matter here.
      word ^= word << 13;
      word ^= word >>> 17;
      word ^= word << 5;
      values[position] = word / 0x80000000;
    }
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

  /** Milliseconds of the fastest of a few runs, after one to warm up. */
  time(primitive: PrimitiveDescriptor): number {
    const bound = new BoundPrimitive(
      this.#library,
      primitive,
      [...this.#arguments].map(
        ([index, { memory, descriptor }]) => [index, createMemory(this.#library, descriptor, memory.address)] as const,
      ),
    );
    bound.run();
    let fastest = Number.POSITIVE_INFINITY;
    for (let run = 0; run < RUNS; run++) {
      const start = performance.now();
      bound.run();
      fastest = Math.min(fastest, performance.now() - start);
    }
    bound.destroy();
    return fastest;
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
