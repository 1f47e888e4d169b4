/** What a sweep tells of its runs, and how it is followed. */

import type { RunEvent } from "../training/events.ts";
import type { RunOptions } from "../training/run-scope.ts";

/** What became of a run, or is about to. */
export interface SweepReport {
  readonly type: "sweep.run";
  /** Counted from 1. */
  readonly number: number;
  readonly runs: number;
  readonly name: string;
  readonly folder: string;
  /**
   * `starting` and `resuming`: its own events follow; `finished`: it has come to its end now, `done` had before;
   * `left-out`: a control of a run that lost nothing or failed.
   */
  readonly state: "starting" | "resuming" | "finished" | "done" | "left-out" | "failed";
  /** Why it failed or was left out. */
  readonly reason?: string;
  /** Code of the error, for a run that failed. */
  readonly code?: string;
  /** Which rank has the run to itself, where the ranks have runs of their own. */
  readonly by?: { readonly rank: number; readonly host: string };
}

/** What is said of a run; which one it is goes without saying. */
export type SweepNews = Pick<SweepReport, "state" | "reason" | "code">;

/** How a sweep is followed and stopped. Where ranks have runs of their own, rank 0 hears of all of them. */
export interface SweepHooks extends Pick<RunOptions, "signal"> {
  /** Hears of each run before and after it. */
  readonly onRun?: (report: SweepReport) => void;
  /** Hears of what happens in a run; `name` is the run's in the sweep. */
  readonly onEvent?: (event: RunEvent, name: string) => void;
}

/** Whether a report is the last of its run. */
export function isOver({ state }: SweepReport): boolean {
  return state !== "starting" && state !== "resuming";
}
