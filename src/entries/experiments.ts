/** `espalier/experiments`: from-scratch baselines, sweeps over γ or budgets, and the comparison of runs. */
export type { Comparison, RunGroup } from "../experiments/comparison.ts";
export { compareRuns } from "../experiments/comparison.ts";
export { writeComparison } from "../experiments/comparison-page.ts";
export type { ControlOptions } from "../experiments/control.ts";
export { control } from "../experiments/control.ts";
export type { RunSummary } from "../experiments/run-summary.ts";
export { summarizeRun } from "../experiments/run-summary.ts";
export type { SweepOptions, SweepResult } from "../experiments/sweep.ts";
export { sweep } from "../experiments/sweep.ts";
export type { SweepPlan, SweepPoint } from "../experiments/sweep-plan.ts";
export { parsePlan, readPlan } from "../experiments/sweep-plan.ts";
export type { SweepReport } from "../experiments/sweep-report.ts";
