/**
 * What differs between oneDNN 2 and 3, as one interface: `abi-2.ts` and `abi-3.ts` implement it, and the library that
 * was found decides which is used. In version 2 descriptors are structs that the caller owns; in version 3 they are
 * handles. In version 2 an operation is described first and its implementations are then iterated over; in version 3 it
 * is one call.
 */
import type { Shape } from "../../../core/tensor.ts";
import type { OperationName, ParameterName } from "./prototypes.ts";

/** A native pointer. */
export type Handle = bigint;
/** Anything koffi passes as a pointer: an address, or an array whose memory the callee reads or fills. */
export type Pointer = Handle | Uint8Array | BigInt64Array | BigUint64Array | Float32Array | null;
/** A function of the library; it returns a `dnnl_status_t`. */
export type Call = (...parameters: (Pointer | number)[]) => number;
export type OperationCalls = Readonly<Record<OperationName, Call>>;
/** Declares a function of the library by its C prototype. Throws where the library lacks it. */
export type Declare = <Native = Call>(prototype: string) => Native;

/** Layouts that are asked for by a format tag; others are given by their strides. */
export type TaggedLayout = "any" | "nChw8c" | "nChw16c" | "nCdhw8c" | "nCdhw16c";

/** Blocks of an axis that lie inside the strides of all axes. */
export interface Block {
  readonly axis: number;
  readonly size: number;
}

/** How the elements of a memory lie, as plain data. `opaque` is known to the library alone (Winograd's weights). */
export interface Layout {
  readonly kind: "strided" | "any" | "opaque";
  readonly shape: Shape;
  /** `dnnl_data_type_t` */
  readonly dataType: number;
  /** The shape with the padding of blocks. */
  readonly paddedShape: Shape;
  /** In elements, of each axis; of a blocked axis from block to block. */
  readonly strides: readonly number[];
  readonly blocks: readonly Block[];
  /** Elements before the first. */
  readonly offset: number;
}

/** The library's memory descriptor: a struct in version 2, a handle in version 3. */
export type NativeDescriptor = Uint8Array | Handle;

/** What is to be computed, before the library says how. */
export interface Operation {
  readonly name: OperationName;
  /** For messages: "convolution, backward data". */
  readonly title: string;
  readonly values: Partial<Readonly<Record<ParameterName, Pointer | number>>>;
}

/** An operation as `primitive.ts` hands it over. */
export interface OperationRequest {
  readonly operation: Operation;
  /** The functions that describe operations. */
  readonly calls: OperationCalls;
  readonly attributes: Handle;
  readonly engine: Handle;
  /** The forward primitive descriptor that a backward operation belongs to. */
  readonly hint: Handle | undefined;
}

export interface Abi {
  readonly major: 2 | 3;
  readonly eltwise: Readonly<
    Record<"relu" | "tanh" | "linear" | "logistic" | "hardSwish" | "clip" | "reluUseDst" | "clipUseDst", number>
  >;
  readonly normalizationFlags: Readonly<Record<"useGlobalStats" | "useScale" | "useShift" | "fuseRelu", number>>;
  /** Whether the gradient of a batch norm takes its shift, which it does not depend on. */
  readonly normalizationBackwardTakesShift: boolean;
  /** Index of the operand of the first post-op of a chain; that of the n-th is n times as large. */
  readonly firstPostOpOperand: number;
  /**
   * Index under which a primitive takes the factor of a source when it runs; undefined where the factor is fixed when
   * the primitive is described.
   */
  scaleArgument(source: number): number | undefined;
  /** Of a source. A `factor` that is an argument is not looked at here. */
  setScale(attributes: Handle, source: number, factor: number): number;
  appendEltwise(postOps: Handle, kind: number, alpha: number, beta: number): number;
  /** result + factor · (what dst holds) */
  appendSum(postOps: Handle, factor: number): number;

  tagged(shape: Shape, dataType: number, layout: TaggedLayout): NativeDescriptor;
  strided(shape: Shape, dataType: number, strides: readonly number[]): NativeDescriptor;
  /** The part of `parent` at `offsets`; undefined where the parent's layout has no such part. */
  part(parent: NativeDescriptor, shape: Shape, offsets: readonly number[]): NativeDescriptor | undefined;
  /** The same memory under another shape. */
  reshaped(descriptor: NativeDescriptor, shape: Shape): NativeDescriptor;
  /** A copy of a descriptor that the library owns. */
  copied(address: Handle): NativeDescriptor;
  /** Frees a descriptor made here. */
  release(descriptor: NativeDescriptor): void;
  layoutOf(descriptor: NativeDescriptor): Layout;

  /** A primitive descriptor of a concatenation along the channels: status, and the descriptor in `out`. */
  concatenate(
    out: BigUint64Array,
    dst: NativeDescriptor,
    sources: readonly NativeDescriptor[],
    attributes: Handle,
    engine: Handle,
  ): number;
  /**
   * Primitive descriptors of all implementations of an operation, the library's first choice first. The caller destroys
   * them. `onRefused` hears the status where there is none.
   */
  implementations(request: OperationRequest, onRefused: (status: number) => void): Iterable<Handle>;
}

export function dimensions(values: readonly number[]): BigInt64Array {
  return BigInt64Array.from(values, BigInt);
}
