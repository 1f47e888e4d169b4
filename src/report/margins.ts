/**
 * Margins ∂loss/∂λ + γ over the epochs, three numbers for each factor parameter: the lowest of its structures at zero,
 * and the lowest and highest of its other structures. The dashboard gets them as bytes of 32-bit floats; NaN if there
 * are none.
 */
import type { FactorMargins } from "../training/events/events.ts";
import { formatSmall } from "./format.ts";
import type { Levels } from "./heat.ts";

const NUMBERS = 3;

/** `rows`: number of factor parameters. Runs of earlier versions have no margins. */
export function packMargins(margins: readonly FactorMargins[], rows: number): Float32Array {
  const packed = new Float32Array(NUMBERS * rows).fill(Number.NaN);
  margins.slice(0, rows).forEach(({ zero, living }, row) => {
    packed.set([zero ?? Number.NaN, ...(living ?? [Number.NaN, Number.NaN])], NUMBERS * row);
  });
  return packed;
}

/** The margins at the end of `epoch`, by "<kind> <layer>". */
export interface MarginsAt {
  readonly epoch: number;
  readonly of: Readonly<Record<string, FactorMargins>>;
}

/**
 * The margins at the end of the last epoch not after `epochs`; undefined if there is none. `bytes`: `levels.margins`,
 * decoded.
 */
export function marginsAfter(
  { epochs: known, rows }: Levels,
  bytes: Uint8Array,
  epochs: number,
): MarginsAt | undefined {
  const index = known.findLastIndex((epoch) => epoch <= epochs);
  const epoch = known[index];
  if (epoch === undefined) return undefined;
  const numbers = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Float32Array.BYTES_PER_ELEMENT);
  const of: Record<string, FactorMargins> = {};
  rows.forEach(({ layer, kind }, row) => {
    const [zero = Number.NaN, lowest = Number.NaN, highest = Number.NaN] = numbers.subarray(
      NUMBERS * (index * rows.length + row),
      NUMBERS * (index * rows.length + row + 1),
    );
    if (Number.isNaN(zero) && Number.isNaN(lowest)) return;
    of[`${kind} ${layer}`] = {
      zero: Number.isNaN(zero) ? null : zero,
      living: Number.isNaN(lowest) ? null : [lowest, highest],
    };
  });
  return { epoch, of };
}

/** The margins in words; `cut`: lowest margin of the structures that were pruned during training. */
export function marginWords(margins: FactorMargins | undefined, cut: number | undefined): string {
  const { zero = null, living = null } = margins ?? {};
  const [lowest = 0, highest = 0] = living ?? [];
  const range = lowest === highest ? formatSmall(lowest) : `${formatSmall(lowest)} to ${formatSmall(highest)}`;
  return [
    ...(living === null ? [] : [`living ${range}`]),
    ...(zero === null ? [] : [`at zero ≥ ${formatSmall(zero)}`]),
    ...(cut === undefined ? [] : [`pruned at ≥ ${formatSmall(cut)}`]),
  ].join(", ");
}
