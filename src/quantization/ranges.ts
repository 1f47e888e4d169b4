/**
 * Ranges of values from what was seen of them. What lies outside of a range is clipped; a wider range has coarser
 * integers. Each method is one answer to that.
 */
import type { Observed } from "./observe.ts";

/**
 * - "min-max": all that was seen;
 * - "percentile": without the outermost 0.01 % of the values on each side;
 * - "mean squared error": where the squares of all errors, of clipping and of rounding, have the least sum.
 */
export const rangeMethods = ["min-max", "percentile", "mean squared error"] as const;
export type RangeMethod = (typeof rangeMethods)[number];

/** Smallest and largest value; 0 is always between them. */
export type Range = readonly [minimum: number, maximum: number];

/** Integers of 8 bits have so many steps. */
const steps = 255;
const tail = 1e-4;

export function rangeOf(observed: Observed, method: RangeMethod): Range {
  switch (method) {
    case "min-max":
      return [observed.minimum, observed.maximum];
    case "percentile":
      return percentile(observed);
    case "mean squared error":
      return leastError(observed);
  }
}

function percentile({ minimum, maximum, counts }: Observed): Range {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const width = (maximum - minimum) / counts.length;
  /** How many bins from one end hold `tail` of all values. */
  const outside = (places: Iterable<number>): number => {
    let [left, seen] = [tail * total, 0];
    for (const count of places) {
      left -= count;
      if (left < 0) break;
      seen++;
    }
    return seen;
  };
  return [Math.min(0, minimum + width * outside(counts)), Math.max(0, maximum - width * outside(counts.toReversed()))];
}

/** Ends that are tried: this part of the observed one, and up to all of it. */
const shortest = 0.2;
const trials = 81;

/** Finds the end of each side in turn. Twice, because the best end of one side depends on the other. */
function leastError(observed: Observed): Range {
  const { minimum, maximum } = observed;
  let range: Range = [minimum, maximum];
  for (let round = 0; round < 2; round++) {
    const [low] = range;
    const high = best(maximum, (end) => squaredError(observed, low, end));
    range = [best(minimum, (end) => squaredError(observed, end, high)), high];
  }
  return range;
}

function best(end: number, errorOf: (end: number) => number): number {
  if (end === 0) return 0;
  let [found, least] = [end, Number.POSITIVE_INFINITY];
  for (let trial = trials - 1; trial >= 0; trial--) {
    const tried = end * (shortest + ((1 - shortest) * trial) / (trials - 1));
    const error = errorOf(tried);
    if (error < least) [found, least] = [tried, error];
  }
  return found;
}

/** Σ (value − integer form)²: a rounded value is off by at most half a step, and by step²/12 in the mean of squares. */
function squaredError({ minimum, maximum, counts }: Observed, low: number, high: number): number {
  const width = (maximum - minimum) / counts.length;
  const rounding = ((high - low) / steps) ** 2 / 12;
  let sum = 0;
  for (let bin = 0; bin < counts.length; bin++) {
    const count = counts[bin] ?? 0;
    if (count === 0) continue;
    const value = minimum + (bin + 0.5) * width;
    const clipped = value < low ? low - value : value > high ? value - high : 0;
    sum += count * (clipped === 0 ? rounding : clipped ** 2);
  }
  return sum;
}
