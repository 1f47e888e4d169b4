/**
 * Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024), for weights W of a
 * convolution, read as a matrix with a row for each output channel. With d = s·g, where s is 1 unless gradients are
 * clipped:
 *
 *     v' = μ·v + d
 *     O  = the orthogonal matrix nearest to d + μ·v', approximately
 *     W' = W − η·(√max(1, rows / columns)·O + wd·W)
 *
 * All singular values of O are about 1, so a step changes the layer's output equally much in all directions, however
 * small the gradient is.
 */
import { elementCount, type Shape } from "../core/tensor.ts";
import type { NesterovStep, WeightsState } from "./nesterov.ts";

/** The quintic a·x + b·x³ + c·x⁵ that takes singular values towards 1, and how often it is applied. */
export const newtonSchulz = { a: 3.4445, b: -4.775, c: 2.0315, iterations: 5 } as const;
/** Added to the norm of the direction, so that a gradient of zero gives a step of zero. */
export const NORM_EPSILON = 1e-7;

/** Rows and columns of weights of `shape`, [outputs, inputs, …pixels]. */
export function matrixOf(shape: Shape): { readonly rows: number; readonly columns: number } {
  const [rows = 1] = shape;
  return { rows, columns: elementCount(shape) / Math.max(1, rows) };
}

/** What O is multiplied by: √max(1, rows / columns). */
export function stepScale(shape: Shape): number {
  const { rows, columns } = matrixOf(shape);
  return Math.sqrt(Math.max(1, rows / columns));
}

/** Steps weights of `shape` from `state` to `next`, which may be `state` itself. `gradient` is ∂loss/∂W. */
export function stepMuon(
  state: WeightsState,
  gradient: Float32Array,
  shape: Shape,
  { learningRate, momentum, weightDecay, gradientFactor = 1 }: NesterovStep,
  next: WeightsState = state,
): void {
  const { weights, velocity } = state;
  const direction = Float64Array.from(gradient, (value, index) => {
    const speed = momentum * (velocity[index] ?? 0) + gradientFactor * value;
    next.velocity[index] = speed;
    return gradientFactor * value + momentum * speed;
  });
  const orthogonal = orthogonalized(direction, shape);
  const scale = stepScale(shape);
  weights.forEach((weight, index) => {
    next.weights[index] = weight - learningRate * (scale * (orthogonal[index] ?? 0) + weightDecay * weight);
  });
}

/** The orthogonal matrix nearest to `values`, approximately: its singular values are between about 0.7 and 1.2. */
export function orthogonalized(values: Float64Array, shape: Shape): Float64Array {
  const { rows, columns } = matrixOf(shape);
  const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0)) + NORM_EPSILON;
  const isTall = rows > columns;
  const [short, long] = isTall ? [columns, rows] : [rows, columns];
  // The products are shorter with the matrix lying on its side.
  let lying = (isTall ? transposed(values, rows, columns) : values).map((value) => value / norm);
  const { a, b, c, iterations } = newtonSchulz;
  for (let iteration = 0; iteration < iterations; iteration++) {
    const square = product(lying, transposed(lying, short, long), short, long, short);
    const fourth = product(square, square, short, short, short);
    const polynomial = square.map((value, index) => b * value + c * (fourth[index] ?? 0));
    const rest = product(polynomial, lying, short, short, long);
    lying = lying.map((value, index) => a * value + (rest[index] ?? 0));
  }
  return isTall ? transposed(lying, short, long) : lying;
}

function transposed(values: Float64Array, rows: number, columns: number): Float64Array {
  return values.map((_, index) => values[(index % rows) * columns + Math.floor(index / rows)] ?? 0);
}

/** left [rows, inner] times right [inner, columns]. */
function product(left: Float64Array, right: Float64Array, rows: number, inner: number, columns: number): Float64Array {
  const result = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < inner; at++) {
      const factor = left[row * inner + at] ?? 0;
      for (let column = 0; column < columns; column++) {
        const place = row * columns + column;
        result[place] = (result[place] ?? 0) + factor * (right[at * columns + column] ?? 0);
      }
    }
  }
  return result;
}
