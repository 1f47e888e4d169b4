/** How many channels a layer keeps if hardware computes several at once. */

export interface WidthRounding {
  /** Widths are kept at multiples of this. */
  readonly multiple: number;
  /** Layers narrower than `multiple` are kept at multiples of this instead; default: `multiple`. */
  readonly narrow?: number;
}

/** A multiple, or a rounding in full. */
export type Rounding = number | WidthRounding;

/** `width` of the `whole` channels of a layer, rounded up; at most `whole`. */
export function roundedWidth(width: number, whole: number, rounding: Rounding): number {
  const { multiple, narrow = multiple } = typeof rounding === "number" ? { multiple: rounding } : rounding;
  const step = width < multiple ? narrow : multiple;
  return width <= 0 ? 0 : Math.min(whole, Math.ceil(width / step) * step);
}
