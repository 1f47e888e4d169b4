/** The error function, which JavaScript lacks. */

/** Beyond it, the error function rounds to ±1 in 64 bits. */
const SATURATED = 6;
/** Up to it the series is used, beyond it the continued fraction. */
const SERIES_END = 2.5;
const FRACTION_TERMS = 60;

/** erf(x) = 2/√π · ∫₀ˣ e^(−t²) dt, with an error of a few units in the last of 64 bits. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (Number.isNaN(x) || x === 0) return x;
  if (size >= SATURATED) return Math.sign(x);
  return Math.sign(x) * (size < SERIES_END ? bySeries(size) : 1 - complement(size));
}

/** 2/√π · e^(−x²) · Σ 2ⁿ·x²ⁿ⁺¹ / (1·3·…·(2n+1)) (Abramowitz and Stegun, 7.1.6). All terms have the same sign. */
function bySeries(x: number): number {
  const square = x * x;
  let term = x;
  let sum = x;
  for (let n = 1; term > sum * Number.EPSILON; n++) {
    term *= (2 * square) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-square) * sum;
}

/** 1 − erf(x) = e^(−x²)/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …)))) (Abramowitz and Stegun, 7.1.14). */
function complement(x: number): number {
  let fraction = x;
  for (let n = FRACTION_TERMS; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}
