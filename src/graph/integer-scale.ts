/**
 * The scales of 8-bit integers, and rounding to them. Activations are unsigned: value = scale · (integer − zeroPoint),
 * with integers from 0 to 255. Weights are signed and symmetric: value = scale · integer, with a scale for each row.
 * Scales are 32-bit floats, as files store them.
 */

/** value = scale · (integer − zeroPoint). */
export interface IntegerScale {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** The largest unsigned integer; the smallest is 0. */
export const largestUnsigned = 255;
/** Smaller scales would not be normal floats once they are multiplied with each other. */
const smallestScale = 2 ** -60;

/** The integers that cover `minimum` … `maximum` and 0. Zero is exact: padding is made of it. */
export function integerScale(minimum: number, maximum: number): IntegerScale {
  const width = Math.max(0, maximum) - Math.min(0, minimum);
  if (width === 0) return { scale: 1, zeroPoint: 0 };
  const scale = Math.fround(Math.max(width / largestUnsigned, smallestScale));
  const zeroPoint = Math.round(-Math.min(0, minimum) / scale);
  return { scale, zeroPoint: Math.min(largestUnsigned, Math.max(0, zeroPoint)) };
}

/** The scale with which the integers −`largest` … `largest` cover `row`. */
export function weightScale(row: Float32Array, largest: number): number {
  let extreme = 0;
  for (const value of row) extreme = Math.max(extreme, Math.abs(value));
  return Math.fround(Math.max(extreme / largest, smallestScale));
}

/** Added to a number below 2⁵¹ and subtracted again, it leaves the nearest integer, the even one of two. */
const toInteger = 1.5 * 2 ** 52;

/** The nearest integer; of two, the even one, as ONNX's `QuantizeLinear` rounds. For |value| below 2⁵¹. */
export function roundToEven(value: number): number {
  return value + toInteger - toInteger;
}
