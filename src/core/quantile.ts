/** Quantiles of samples, interpolated between neighbours. */
import { required } from "./errors.ts";

/** The quantile `q` of ascending values: 0.5 is the median. */
export function quantile(sorted: readonly number[], q: number): number {
  const position = q * (sorted.length - 1);
  const below = required(sorted[Math.floor(position)], "values to take a quantile of");
  const above = sorted[Math.ceil(position)] ?? below;
  return below + (above - below) * (position - Math.floor(position));
}
