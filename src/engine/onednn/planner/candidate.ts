/** A way to compute something, with all that is needed to try it. */
import type { MemoryDescriptor } from "../ffi/memory.ts";
import type { PrimitiveDescriptor } from "../ffi/primitive.ts";

/** A memory that a candidate works on as a whole; its parts may see pieces of it. */
export interface Operand {
  readonly descriptor: MemoryDescriptor;
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
  /** Whether it usually is the fastest, and taken where there is no time to find out. */
  readonly isLikely?: boolean;
  /** Bytes of memory that only this way needs and that nothing else can share; default 0. */
  readonly ownBytes?: number;
  /** Reorders that choosing it would cost, each from a layout to another. */
  readonly reorders: readonly (readonly [MemoryDescriptor, MemoryDescriptor])[];
}

/** Primitives of a candidate, each once. */
export function primitivesOf({ parts }: Candidate): ReadonlySet<PrimitiveDescriptor> {
  return new Set(parts.map(({ primitive }) => primitive));
}

/** Bytes of the largest scratchpad that a candidate's calls ask for. */
export function scratchpadBytes({ parts }: Candidate): number {
  return Math.max(...parts.map(({ primitive }) => primitive.memory("scratchpad").bytes));
}
