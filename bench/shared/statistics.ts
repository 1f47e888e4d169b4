/** Median and spread of repeated timings. */
import { quantile } from "../../src/core/quantile.ts";

export interface Spread {
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly runs: number;
}

/** Median, minimum and maximum of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    minimum: quantile(sorted, 0),
    maximum: quantile(sorted, 1),
    runs: values.length,
  };
}

export function medianOf(values: readonly number[]): number {
  return spreadOf(values).median;
}
