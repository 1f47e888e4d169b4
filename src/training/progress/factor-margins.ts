/** The margins ∂loss/∂λ + γ of the structures at the end of an epoch: three numbers for each layer. */
import { required } from "../../core/errors.ts";
import type { Factor } from "../../selection/factors.ts";
import type { FactorMargins } from "../events/events.ts";
import type { TrainingState } from "../network/full-size-state.ts";

/** Significant digits in the events. */
const DIGITS = 4;

function rounded(value: number): number {
  return Number(value.toPrecision(DIGITS));
}

/**
 * `state` is of the full network; `remainingIndices` returns the indices of a factor's structures that are not cut yet.
 */
export function marginsOf(
  factors: readonly Factor[],
  { weights, optimizer }: TrainingState,
  remainingIndices: (factor: Factor) => readonly number[],
): FactorMargins[] {
  return factors.map((factor): FactorMargins => {
    const { parameter } = factor;
    const values = required(weights.get(parameter), `values of "${parameter}"`).data;
    const margins = optimizer.margin.get(parameter)?.data;
    // The factor was cut with its branch.
    if (margins === undefined) return { zero: null, living: null };
    let zero = Number.POSITIVE_INFINITY;
    let lowest = Number.POSITIVE_INFINITY;
    let highest = Number.NEGATIVE_INFINITY;
    for (const index of remainingIndices(factor)) {
      const margin = margins[index] ?? 0;
      if (values[index] === 0) zero = Math.min(zero, margin);
      else [lowest, highest] = [Math.min(lowest, margin), Math.max(highest, margin)];
    }
    return {
      zero: zero === Number.POSITIVE_INFINITY ? null : rounded(zero),
      living: lowest > highest ? null : [rounded(lowest), rounded(highest)],
    };
  });
}
