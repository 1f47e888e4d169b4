/** The functions of the `binary` op, and their derivatives by each of the two numbers. */
import type { BinaryAttributes } from "./attributes.ts";

type OfTwo = (a: number, b: number) => number;
type Name = BinaryAttributes["function"];

export const binaryFunctions: { readonly [K in Name]: OfTwo } = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
};

/** By a, and by b. A tie counts for a. */
export const binaryDerivatives: { readonly [K in Name]: readonly [byA: OfTwo, byB: OfTwo] } = {
  add: [() => 1, () => 1],
  subtract: [() => 1, () => -1],
  multiply: [(_, b) => b, (a) => a],
  divide: [(_, b) => 1 / b, (a, b) => -a / b ** 2],
  maximum: [(a, b) => (a >= b ? 1 : 0), (a, b) => (a >= b ? 0 : 1)],
  minimum: [(a, b) => (a <= b ? 1 : 0), (a, b) => (a <= b ? 0 : 1)],
};
