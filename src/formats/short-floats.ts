/** Conversions between numbers and the 16-bit floats of files: binary16 and bfloat16. */

/** IEEE 754 binary16: 1 sign bit, 5 of exponent, 10 of fraction. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

const scratch = new DataView(new ArrayBuffer(4));

/** A bfloat16 is the upper half of a 32-bit float. */
export function bfloat16ToFloat(bits: number): number {
  scratch.setUint16(2, bits, true);
  return scratch.getFloat32(0, true);
}

/** The nearest value of binary16; ties round to even. */
export function roundToHalf(value: number): number {
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(value))));
  const rounded = roundedTo(value, 2 ** (exponent - 10));
  return Math.abs(rounded) > 65504 ? Math.sign(rounded) * Number.POSITIVE_INFINITY : rounded;
}

/** The nearest value of bfloat16 (8 bits of exponent, 7 of fraction); ties round to even. */
export function roundToBfloat16(value: number): number {
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(value))));
  return Math.fround(roundedTo(value, 2 ** (exponent - 7)));
}

/** The nearest multiple of `step`, a power of two; ties round to even. */
function roundedTo(value: number, step: number): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  const steps = value / step;
  const below = Math.floor(steps);
  const isUp = steps - below > 0.5 || (steps - below === 0.5 && below % 2 !== 0);
  return (below + (isUp ? 1 : 0)) * step;
}
