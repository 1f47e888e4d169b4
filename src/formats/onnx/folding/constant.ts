/** A constant of a file: an initializer, or a value that nodes compute from initializers and shapes alone. */
import { elementCount, type Shape } from "../../../core/tensor.ts";
import type { Scalar } from "./scalar.ts";

/** `float` stands for all of ONNX's floating-point types, `integer` for all of its integers; booleans are 0 and 1. */
export type ConstantType = "float" | "integer" | "boolean";

/** A constant in row-major order. Large constants, such as weights, are always a `Float32Array`. */
export interface Constant {
  readonly type: ConstantType;
  readonly dims: Shape;
  readonly values: Float32Array | readonly Scalar[];
  /** Smallest and largest number of the file's element type, for integers of 8 and 16 bits. */
  readonly range?: readonly [number, number];
}

export function scalarConstant(type: ConstantType, value: Scalar): Constant {
  return constant(type, [], [value]);
}

export function vector(type: ConstantType, values: readonly Scalar[]): Constant {
  return constant(type, [values.length], values);
}

/** Makes a constant. Floats that are plain numbers are stored in 32 bits, as the file's own floats are. */
export function constant(type: ConstantType, dims: Shape, values: Float32Array | readonly Scalar[]): Constant {
  if (type !== "float" || values instanceof Float32Array) return { type, dims, values };
  const numbers = values.filter((value) => typeof value === "number");
  return { type, dims, values: numbers.length === values.length ? Float32Array.from(numbers) : values };
}

/** Element `index`. Beyond the end it is 0, which no caller reads. */
export function at({ values }: Constant, index: number): Scalar {
  return values[index] ?? 0;
}

export function scalarsOf({ values }: Constant): readonly Scalar[] {
  return values instanceof Float32Array ? Array.from(values) : values;
}

/** The constant whose element i is element `from(i)` of `source`. */
export function rearranged(source: Constant, dims: Shape, from: (index: number) => number): Constant {
  const count = elementCount(dims);
  if (source.values instanceof Float32Array) {
    const values = new Float32Array(count);
    for (let index = 0; index < count; index++) values[index] = source.values[from(index)] ?? 0;
    return { ...source, dims, values };
  }
  return constant(
    source.type,
    dims,
    Array.from({ length: count }, (_, index) => at(source, from(index))),
  );
}
