/** Whether a candidate computes what the first one computes, which is known to be accurate. */
import type { DataType } from "../ffi/memory.ts";
import type { Candidate } from "./candidate.ts";

/** A candidate may not win if its outputs differ more from the first one's, relative to the largest output. */
const tolerances = { f32: 1e-4, bf16: 1e-2, i32: 0 } as const satisfies Record<DataType, number>;

/** The tolerance of the coarsest type that a candidate reads or writes: rounding to bf16 affects f32 results too. */
export function toleranceOf(candidates: readonly Candidate[]): number {
  const operands = candidates.flatMap((candidate) => Object.values(candidate.operands));
  return Math.max(...operands.map(({ descriptor }) => tolerances[descriptor.type]));
}

/** Why a candidate may not win. */
export function inaccuracy(error: number, tolerance: number): string {
  return `off by ${error.toExponential(1)} of the largest value, where ${tolerance} is allowed`;
}

/** The largest difference, relative to the largest of `expected`. NaN if a value is no number. */
export function relativeError(values: Float32Array, expected: Float32Array): number {
  let difference = 0;
  let largest = 0;
  for (let index = 0; index < expected.length; index++) {
    const reference = expected[index] ?? 0;
    difference = Math.max(difference, Math.abs((values[index] ?? Number.NaN) - reference));
    largest = Math.max(largest, Math.abs(reference));
  }
  return difference === 0 ? 0 : difference / largest;
}
