/**
 * What a program consists of: slots of memory, views of them with descriptors, and steps that read and write views.
 * A step is bound to addresses once all slots have theirs.
 */
import { elementCount } from "../../../core/tensor.ts";
import type { MemoryDescriptor, NativeMemory } from "../ffi/memory.ts";
import type { PrimitiveDescriptor } from "../ffi/primitive.ts";

/** A region of memory. Persistent slots (parameters, inputs, padded zeros) keep their content between runs. */
export interface Slot {
  readonly bytes: number;
  readonly persistent: boolean;
  /** Initial content; default: zeros. */
  readonly content?: Float32Array;
}

/** A slot with a descriptor of its content. */
export interface View {
  readonly slot: Slot;
  readonly descriptor: MemoryDescriptor;
  /** Bytes from the slot's start; default 0. */
  readonly offset?: number;
}

/** The position of a slot inside another one. */
export interface Inside {
  readonly whole: Slot;
  /** Bytes from the start of `whole`. */
  readonly offset: number;
}

/** The addresses of slots. */
export interface Placement {
  readonly memory: NativeMemory;
  offset(slot: Slot): number;
}

interface StepBase {
  /** Name of the graph's node that the step belongs to. */
  readonly node: string;
  readonly op: string;
  readonly implementation: string;
  readonly macs: number;
  readonly reads: readonly Slot[];
  readonly writes: readonly Slot[];
  /** [input, output]: the output may overwrite the input if no later step reads the input. */
  readonly inPlace?: readonly [from: Slot, to: Slot];
  /** Views for `explain`, by role. */
  readonly operands: readonly Operand[];
}

/** A view that a step reads or writes. */
export interface Operand {
  readonly role: string;
  readonly access: "read" | "write";
  readonly descriptor: MemoryDescriptor;
}

export interface PrimitiveStep extends StepBase {
  readonly kind: "primitive";
  readonly primitive: PrimitiveDescriptor;
  readonly arguments: readonly (readonly [index: number, view: View])[];
}

/** A step in JavaScript, on plain arrays. */
export interface HostStep extends StepBase {
  readonly kind: "host";
  bind(placement: Placement): () => void;
}

export type Step = PrimitiveStep | HostStep;

/** All numbers of a view's memory, including the padding of blocked layouts. */
export function floatsOf({ slot, descriptor, offset = 0 }: View, placement: Placement): Float32Array {
  return placement.memory.floats(placement.offset(slot) + offset, descriptor.bytes / 4);
}

export function integersOf({ slot, descriptor }: View, placement: Placement): Int32Array {
  return placement.memory.integers(placement.offset(slot), elementCount(descriptor.shape));
}
