/**
 * What a reference kernel is: a pure function that reads input arrays and fills output arrays that the caller owns.
 * Arrays are dense and row-major, 32-bit floats in storage; every sum is accumulated in 64 bits. An output may share
 * its memory with an input only where the kernel says so.
 */
import { required } from "../../core/errors.ts";
import { elementCount, type Labels, type Shape, type Tensor } from "../../core/tensor.ts";
import type { Attributes, OpName } from "../../graph/ops.ts";

export type TypedTensor = Tensor | Labels;

/** Memory of the caller's that a kernel fills completely. */
export interface OutputArray {
  readonly shape: Shape;
  readonly data: Float32Array;
}

export interface KernelContext<K extends OpName> {
  readonly attributes: Attributes<K>;
  /** As many, in the order and the shapes that `graph/ops.ts` and `graph/shapes.ts` tell for op `K`. */
  readonly inputs: readonly TypedTensor[];
  readonly outputs: readonly OutputArray[];
}

export type ReferenceKernel<K extends OpName> = (context: KernelContext<K>) => void;

/** Input `index`, a float tensor. */
export function input({ inputs }: { readonly inputs: readonly TypedTensor[] }, index: number): Tensor {
  const value = inputs[index];
  return required(value?.dtype === "f32" ? value : undefined, `float input ${index} of a kernel`);
}

/** Input `index`, if the node has one: an optional bias. */
export function optionalInput(
  context: { readonly inputs: readonly TypedTensor[] },
  index: number,
): Float32Array | undefined {
  return index < context.inputs.length ? input(context, index).data : undefined;
}

export function output({ outputs }: { readonly outputs: readonly OutputArray[] }, index: number): OutputArray {
  return required(outputs[index], `output ${index} of a kernel`);
}

/**
 * Element `index` of `data`. The one place where the kernels step past `noUncheckedIndexedAccess`: an index out of
 * bounds gives `undefined`, which turns a sum into NaN and is seen at once, where a `?? 0` would hide it.
 */
export function at(data: Float32Array | Float64Array | Int32Array, index: number): number {
  return data[index] as number;
}

/** Dimension `axis` of `shape`, which must have it. */
export function extent(shape: Shape, axis: number): number {
  return required(shape[axis], `axis ${axis} of a shape`);
}

/** The channels of an array: how many lie along `axis`, and in which one an element is. */
export interface Channels {
  readonly count: number;
  /** Elements a channel has. */
  readonly size: number;
  of(index: number): number;
}

export function channelsOf(shape: Shape, axis: 0 | 1 = 1): Channels {
  const count = extent(shape, axis);
  const inner = elementCount(shape.slice(axis + 1));
  return { count, size: elementCount(shape) / count, of: (index) => Math.floor(index / inner) % count };
}
