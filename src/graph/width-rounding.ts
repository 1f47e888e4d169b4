/** How many channels a layer keeps if hardware computes several at once. */

export interface WidthRounding {
  /** Widths are kept at multiples of this. */
  readonly multiple: number;
  /** Layers of at most this many channels keep their width; default 0: all are rounded up. */
  readonly narrow?: number;
}

/** A multiple, or a rounding in full. */
export type Rounding = number | WidthRounding;

/** `width` of the `whole` channels of a layer, rounded up; at most `whole`. */
export function roundedWidth(width: number, whole: number, rounding: Rounding): number {
  const { multiple, narrow = 0 } = typeof rounding === "number" ? { multiple: rounding } : rounding;
  return width <= narrow ? Math.max(0, width) : Math.min(whole, Math.ceil(width / multiple) * multiple);
}
