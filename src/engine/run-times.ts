/** Sums up where the time of single runs of a plan went. */
import type { PlanTimes } from "./engine.ts";

/** One run, in milliseconds. */
export type RunTimes = Omit<PlanTimes, "outsidePrimitives">;

/** The middle of `values`, the upper one of two; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

export function planTimes(runs: readonly RunTimes[]): PlanTimes {
  const of = (part: keyof RunTimes): number => median(runs.map((run) => run[part]));
  return {
    whole: of("whole"),
    primitives: of("primitives"),
    host: of("host"),
    copies: of("copies"),
    outsidePrimitives: median(runs.map(({ whole, primitives }) => (whole > 0 ? 1 - primitives / whole : 0))),
  };
}
