/**
 * An interface over the differences between oneDNN 2 and 3. `abi-2.ts` and `abi-3.ts` implement it, and the version of
 * the loaded library decides which one is used. In version 2, descriptors are structs that the caller owns; in version
 * 3 they are handles. In version 2, an operation is described first, and its implementations are then iterated over; in
 * version 3, one call does both.
 */
import type { Shape } from "../../../core/tensor.ts";
import type { OperationName, ParameterName } from "./prototypes.ts";

/** A native pointer. */
export type Handle = bigint;
/** Values that koffi passes as pointers: an address, or an array whose memory the callee reads or writes. */
export type Pointer = Handle | Uint8Array | BigInt64Array | BigUint64Array | Float32Array | null;
/** A function of the library; it returns a `dnnl_status_t`. */
export type Call = (...parameters: (Pointer | number)[]) => number;
export type OperationCalls = Readonly<Record<OperationName, Call>>;
/** Declares a function of the library by its C prototype. Throws if the library lacks it. */
export type Declare = <Native = Call>(prototype: string) => Native;

/** Layouts that have a format tag; others are given by their strides. */
export type TaggedLayout = "any" | "nChw8c" | "nChw16c" | "nCdhw8c" | "nCdhw16c";

/** Blocks of an axis; they are the innermost elements of a layout. */
export interface Block {
  readonly axis: number;
  readonly size: number;
}

/** The layout of a memory as plain data. Only the library knows what `opaque` means (Winograd's weights). */
export interface Layout {
  readonly kind: "strided" | "any" | "opaque";
  readonly shape: Shape;
  /** `dnnl_data_type_t` */
  readonly dataType: number;
  /** The shape, including the padding of blocks. */
  readonly paddedShape: Shape;
  /** Stride of each axis in elements; for a blocked axis, from block to block. */
  readonly strides: readonly number[];
  readonly blocks: readonly Block[];
  /** Number of elements before the first one. */
  readonly offset: number;
}

/** The library's memory descriptor: a struct in version 2, a handle in version 3. */
export type NativeDescriptor = Uint8Array | Handle;

/** A description of a computation, before the library chooses an implementation. */
export interface Operation {
  readonly name: OperationName;
  /** For messages: "convolution, backward data". */
  readonly title: string;
  readonly values: Partial<Readonly<Record<ParameterName, Pointer | number>>>;
}

/** An operation as `primitive.ts` passes it to the library. */
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
    Record<
      | "relu"
      | "tanh"
      | "linear"
      | "logistic"
      | "hardSwish"
      | "geluErf"
      | "geluTanh"
      | "elu"
      | "abs"
      | "softRelu"
      | "exp"
      | "log"
      | "mish"
      | "clip"
      | "reluUseDst"
      | "clipUseDst",
      number
    >
  >;
  readonly normalizationFlags: Readonly<Record<"useGlobalStats" | "useScale" | "useShift" | "fuseRelu", number>>;
  /** Whether the gradient of a batch norm requires the shift as an argument, although it does not depend on it. */
  readonly normalizationBackwardTakesShift: boolean;
  /** Argument index of the operand of a chain's first post-op. That of the n-th post-op is n times as large. */
  readonly firstPostOpOperand: number;
  /**
   * Argument index of a source's factor, if a primitive gets the factor when it runs; undefined if the factor is fixed
   * when the primitive is described.
   */
  scaleArgument(source: number): number | undefined;
  /** Sets the factor of a source. If the factor is an argument, its value here is ignored. */
  setScale(attributes: Handle, source: number, factor: number): number;
  appendEltwise(postOps: Handle, kind: number, alpha: number, beta: number): number;
  /** result + factor · (previous content of dst) */
  appendSum(postOps: Handle, factor: number): number;

  tagged(shape: Shape, dataType: number, layout: TaggedLayout): NativeDescriptor;
  strided(shape: Shape, dataType: number, strides: readonly number[]): NativeDescriptor;
  /** The part of `parent` at `offsets`; undefined if the parent's layout has no such part. */
  part(parent: NativeDescriptor, shape: Shape, offsets: readonly number[]): NativeDescriptor | undefined;
  /** The same memory with another shape. */
  reshaped(descriptor: NativeDescriptor, shape: Shape): NativeDescriptor;
  /** A copy of a descriptor that the library owns. */
  copied(address: Handle): NativeDescriptor;
  /** Frees a descriptor that was created here. */
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
   * Primitive descriptors of all implementations of an operation, in the library's order of preference. The caller
   * destroys them. If there is none, `onRefused` is called with the status.
   */
  implementations(request: OperationRequest, onRefused: (status: number) => void): Iterable<Handle>;
}

export function dimensions(values: readonly number[]): BigInt64Array {
  return BigInt64Array.from(values, BigInt);
}
