/**
 * Chooses among implementations by timing them once on the shapes at hand, because no rule predicts which is fastest (see
 * docs/engine.md). A choice is remembered under a key, so that equal layers are timed once, and a resumed run is given
 * the choices of its first part: other kernels would round differently.
 */
import { InternalError, required } from "../../../core/errors.ts";
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

/** A memory that a candidate works on as a whole; its parts may see pieces of it. */
export interface Operand {
  readonly descriptor: MemoryDescriptor;
  /** From the numbers every candidate is given, in row-major order, to what this one wants instead. */
  readonly arrange?: (values: Float32Array) => Float32Array;
}

/** One argument of a primitive: an operand by its role, or a piece of it at an offset in bytes. */
export interface PartArgument {
  readonly index: number;
  readonly role: string;
  readonly piece?: { readonly descriptor: MemoryDescriptor; readonly offset: number };
}

/** One call of the library. */
export interface Part {
  readonly primitive: PrimitiveDescriptor;
  readonly arguments: readonly PartArgument[];
}

export interface Candidate {
  /** Layout and implementation: unique among the candidates of a key. */
  readonly name: string;
  readonly parts: readonly Part[];
  /** By role; inputs of the same role hold the same numbers for every candidate. */
  readonly operands: Readonly<Record<string, Operand>>;
  readonly inputs: readonly string[];
  /** Role of the result to compare. */
  readonly output: string;
  /** Reorders that choosing it would cost, each from a layout to another. */
  readonly reorders: readonly (readonly [MemoryDescriptor, MemoryDescriptor])[];
}

/** Primitives of a candidate, each once. */
export function primitivesOf({ parts }: Candidate): ReadonlySet<PrimitiveDescriptor> {
  return new Set(parts.map(({ primitive }) => primitive));
}

/** How a primitive came to be chosen. */
export interface Decision {
  readonly candidates: number;
  readonly passedOver: readonly PassedOver[];
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
    for (const primitive of primitivesOf(chosen)) {
      this.#decisions.set(primitive, { candidates: candidates.length, passedOver });
    }
    for (const candidate of candidates) {
      if (candidate !== chosen) for (const primitive of primitivesOf(candidate)) primitive.destroy();
    }
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
    const tolerance = toleranceOf(candidates);
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

  #measure(candidate: Candidate): { milliseconds: number; result: Float32Array } {
    const { operands, inputs, output, parts } = candidate;
    const bench = new Bench(this.#library);
    try {
      for (const [role, operand] of Object.entries(operands)) {
        if (inputs.includes(role)) bench.fill(role, operand);
        else bench.add(role, operand.descriptor);
      }
      return { milliseconds: bench.time(parts), result: bench.read(output) };
    } finally {
      bench.free();
    }
  }

  #timeReorder(from: MemoryDescriptor, to: MemoryDescriptor): number {
    const primitive = reorderDescriptor(this.#library, from, to);
    if (primitive === undefined) return Number.POSITIVE_INFINITY;
    const bench = new Bench(this.#library);
    try {
      bench.add("from", from);
      bench.add("to", to);
      return bench.time([
        {
          primitive,
          arguments: [
            { index: argument.src, role: "from" },
            { index: argument.dst, role: "to" },
          ],
        },
      ]);
    } finally {
      bench.free();
      primitive.destroy();
    }
  }
}

/** That of the coarsest number any candidate reads or writes: beside bf16 even f32 differs by what bf16 rounds. */
function toleranceOf(candidates: readonly Candidate[]): number {
  const operands = candidates.flatMap((candidate) => Object.values(candidate.operands));
  return Math.max(...operands.map(({ descriptor }) => tolerances[descriptor.type]));
}

const LARGEST_COMPARED = 2 ** 31;

/** Bytes that a candidate needs at a time when it is timed: copies of its operands, and one of them in the plain layout. */
export function timingBytes(candidate: Candidate): number {
  const own = Object.values(candidate.operands).map(({ descriptor }) => descriptor.bytes);
  const reordered = Math.max(0, ...candidate.reorders.map(([from, to]) => from.bytes + to.bytes));
  const scratch = Math.max(...candidate.parts.map(({ primitive }) => primitive.memory("scratchpad").bytes));
  const sum = own.reduce((total, bytes) => total + bytes, 0);
  // Numbers are written and compared in arrays, which end at 4 GiB.
  if (Math.max(...own) > LARGEST_COMPARED) return Number.POSITIVE_INFINITY;
  // The plain copy is at most as large as the largest argument, in f32.
  return Math.max(copiesOf(sum) * sum + scratch + 2 * Math.max(...own), reordered);
}

/** How often operands of so many bytes are there while a candidate is timed. */
function copiesOf(bytes: number): number {
  return Math.min(MOST_COPIES, Math.max(1, Math.round(COLD_BYTES / bytes)));
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

/** Memory for a candidate's operands, and a stop-watch. */
class Bench {
  readonly #library: OneDnn;
  readonly #operands = new Map<string, { memory: NativeMemory; descriptor: MemoryDescriptor }>();

  constructor(library: OneDnn) {
    this.#library = library;
  }

  add(role: string, descriptor: MemoryDescriptor): NativeMemory {
    const memory = new NativeMemory(this.#library, descriptor.bytes);
    this.#operands.set(role, { memory, descriptor });
    return memory;
  }

  /** An operand with arbitrary numbers in −1…1, the same for every layout of the same shape. */
  fill(role: string, { descriptor, arrange }: Operand): void {
    const memory = this.add(role, descriptor);
    const plain = describeMemory(this.#library, descriptor.shape, "plain");
    const source = new NativeMemory(this.#library, plain.bytes);
    const values = source.floats(0, elementCount(descriptor.shape));
    let word = 0x9e3779b9 ^ (role.codePointAt(0) ?? 1);
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

  read(role: string): Float32Array {
    const { memory, descriptor } = required(this.#operands.get(role), `operand "${role}"`);
    const plain = describeMemory(this.#library, descriptor.shape, "plain");
    const target = new NativeMemory(this.#library, plain.bytes);
    this.#copy(descriptor, memory, plain, target);
    const values = target.floats(0, elementCount(descriptor.shape)).slice();
    target.free();
    return values;
  }

  /** Milliseconds of the median run, each on another copy of the operands. */
  time(parts: readonly Part[]): number {
    const bytes = [...this.#operands.values()].reduce((sum, { memory }) => sum + memory.bytes, 0);
    const copies = copiesOf(bytes);
    const scratchpads = parts.map(({ primitive }) => primitive.memory("scratchpad"));
    const scratch = new NativeMemory(this.#library, Math.max(...scratchpads.map((descriptor) => descriptor.bytes)));
    const allocated = [scratch];
    const bind = (memories: ReadonlyMap<string, NativeMemory>): readonly BoundPrimitive[] =>
      parts.map((part, index) => this.#bind(part, memories, [required(scratchpads[index], "scratchpad"), scratch]));
    const own = new Map([...this.#operands].map(([role, { memory }]) => [role, memory]));
    const bound = Array.from({ length: copies }, (_, copy) => {
      if (copy === 0) return bind(own);
      const memories = new Map([...own].map(([role, { bytes }]) => [role, new NativeMemory(this.#library, bytes)]));
      allocated.push(...memories.values());
      return bind(memories);
    });
    const runCopy = (copy: number): void => {
      for (const primitive of bound[copy] ?? []) primitive.run();
    };
    try {
      for (let copy = 0; copy < copies; copy++) runCopy(copy);
      const times = Array.from({ length: RUNS }, (_, run) => {
        const start = performance.now();
        runCopy(run % copies);
        return performance.now() - start;
      });
      return times.toSorted((a, b) => a - b)[RUNS >> 1] ?? Number.POSITIVE_INFINITY;
    } finally {
      for (const primitive of bound.flat()) primitive.destroy();
      for (const memory of allocated) memory.free();
    }
  }

  free(): void {
    for (const { memory } of this.#operands.values()) memory.free();
  }

  #bind(
    part: Part,
    memories: ReadonlyMap<string, NativeMemory>,
    [scratchpad, scratch]: readonly [MemoryDescriptor, NativeMemory],
  ): BoundPrimitive {
    const whole = part.arguments.map(({ index, role, piece }) => {
      const { descriptor } = piece ?? required(this.#operands.get(role), `operand "${role}"`);
      const { address } = required(memories.get(role), `memory of "${role}"`);
      return [index, createMemory(this.#library, descriptor, address + BigInt(piece?.offset ?? 0))] as const;
    });
    return new BoundPrimitive(this.#library, part.primitive, [
      ...whole,
      [argument.scratchpad, createMemory(this.#library, scratchpad, scratch.address)],
    ]);
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
