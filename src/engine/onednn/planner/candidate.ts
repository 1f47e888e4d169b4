/** A candidate: one way to compute a node, with everything needed to time it. */
import type { MemoryDescriptor } from "../ffi/memory.ts";
import type { PrimitiveDescriptor } from "../ffi/primitive.ts";

/** A memory that a candidate works on. Single calls may use pieces of it. */
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
  /** Operands by role. Inputs of the same role have the same values for every candidate. */
  readonly operands: Readonly<Record<string, Operand>>;
  readonly inputs: readonly string[];
  /** Role of the result, which is compared between candidates. */
  readonly output: string;
  /** Whether it is usually the fastest. It is then chosen if there is no time for timing. */
  readonly isLikely?: boolean;
  /** Bytes of additional memory of this candidate that cannot be shared; default 0. */
  readonly ownBytes?: number;
  /** Reorders that this candidate makes necessary, each from one layout to another. */
  readonly reorders: readonly (readonly [MemoryDescriptor, MemoryDescriptor])[];
}

/** The primitives of a candidate without duplicates. */
export function primitivesOf({ parts }: Candidate): ReadonlySet<PrimitiveDescriptor> {
  return new Set(parts.map(({ primitive }) => primitive));
}

/** Bytes of the largest scratchpad of a candidate's calls. */
export function scratchpadBytes({ parts }: Candidate): number {
  return Math.max(...parts.map(({ primitive }) => primitive.memory("scratchpad").bytes));
}
