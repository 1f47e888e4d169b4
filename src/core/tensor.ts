/** Host tensors: dense, row-major (NCHW for images), 32-bit floats; labels are 32-bit integers. */
import { requireArguments } from "./arguments.ts";
import { invariant, UserError } from "./errors.ts";

export type DType = "f32" | "i32";
export type Shape = readonly number[];

/** An array of 32-bit floats with a shape. */
export interface Tensor {
  readonly dtype: "f32";
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** An array of class numbers with a shape. */
export interface Labels {
  readonly dtype: "i32";
  readonly shape: Shape;
  readonly data: Int32Array;
}

/** Number of elements of `shape`; 1 for a scalar (`[]`). */
export function elementCount(shape: Shape): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dimension, axis) => dimension === b[axis]);
}

/** `[2,3,4]`, for messages. */
export function formatShape(shape: readonly (number | string)[]): string {
  return `[${shape.join(",")}]`;
}

/**
 * Wraps `data`, without a copy, as a tensor of `shape`; zeros without data. Throws `UserError("bad-option")` where they
 * do not fit.
 */
export function tensor(shape: Shape, data?: Float32Array): Tensor {
  requireArguments("tensor", { shape: [shape, "shape"], data: [data, "floats?"] });
  const count = elementCount(shape);
  if (data === undefined) return { dtype: "f32", shape, data: new Float32Array(count) };
  if (data.length !== count) {
    throw new UserError("bad-option", `${data.length} values do not fill shape ${formatShape(shape)}`, {
      hint: `Give ${count} values, or another shape`,
    });
  }
  return { dtype: "f32", shape, data };
}

/** A tensor of `shape` with every element `value`. */
export function filled(shape: Shape, value: number): Tensor {
  return tensor(shape, new Float32Array(elementCount(shape)).fill(value));
}

/** Strides of a row-major array, in elements. */
export function rowMajorStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  }
  return strides;
}

/**
 * A copy of `source` with only `indices` of `axis`, in their order. Shapes: src `[…, D, …]` → `[…, indices.length, …]`.
 */
export function take(source: Tensor, axis: number, indices: readonly number[]): Tensor {
  const extent = source.shape[axis];
  invariant(extent !== undefined, `axis ${axis} is not in shape ${formatShape(source.shape)}`);
  const outer = elementCount(source.shape.slice(0, axis));
  const inner = elementCount(source.shape.slice(axis + 1));
  const result = tensor(source.shape.with(axis, indices.length));
  let write = 0;
  for (let block = 0; block < outer; block++) {
    for (const index of indices) {
      invariant(index >= 0 && index < extent, `index ${index} is not in 0…${extent - 1}`);
      const start = (block * extent + index) * inner;
      result.data.set(source.data.subarray(start, start + inner), write);
      write += inner;
    }
  }
  return result;
}

/**
 * A copy of `target` with `source` written to `indices` of `axis`: the inverse of `take`.
 * Shapes: source `[…, indices.length, …]`, target `[…, D, …]` → `[…, D, …]`.
 */
export function put(target: Tensor, axis: number, indices: readonly number[], source: Tensor): Tensor {
  const extent = target.shape[axis];
  invariant(
    extent !== undefined && sameShape(source.shape, target.shape.with(axis, indices.length)),
    `${formatShape(source.shape)} is not ${indices.length} indices of axis ${axis} of ${formatShape(target.shape)}`,
  );
  const outer = elementCount(target.shape.slice(0, axis));
  const inner = elementCount(target.shape.slice(axis + 1));
  const result = tensor(target.shape, target.data.slice());
  let read = 0;
  for (let block = 0; block < outer; block++) {
    for (const index of indices) {
      invariant(index >= 0 && index < extent, `index ${index} is not in 0…${extent - 1}`);
      result.data.set(source.data.subarray(read, read + inner), (block * extent + index) * inner);
      read += inner;
    }
  }
  return result;
}
