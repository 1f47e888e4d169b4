/**
 * ONNX attributes are 32-bit floats; ours are JavaScript numbers. Each number is read back as the shortest decimal that
 * rounds to the stored float, so 0.00001 comes back as 0.00001 and not as 0.000009999999747378752.
 */

/** The decimal with the fewest digits that equals `value` when rounded to 32 bits. */
export function shortestDecimal(value: number): number {
  const stored = Math.fround(value);
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(stored.toPrecision(digits));
    if (Math.fround(candidate) === stored) return candidate;
  }
  return Number(stored.toPrecision(9));
}

/**
 * 1 − `value`, for a stored `value`. ONNX's momentum is the weight of the old statistics; ours is the weight of the new
 * ones.
 */
export function complementOf(value: number): number {
  return shortestDecimal(1 - shortestDecimal(value));
}
