/** Reports of a sweep about its runs, and the hooks that receive them. */

import type { RunEvent } from "../training/events/events.ts";
import type { RunOptions } from "../training/session/run-scope.ts";

/** A report about one run, before or after it. */
export interface SweepReport {
  readonly type: "sweep.run";
  /** Counted from 1. */
  readonly number: number;
  readonly runs: number;
  readonly name: string;
  readonly folder: string;
  /**
   * `starting` and `resuming`: the run's events follow. `finished`: the run finished now. `done`: it was finished
   * before. `left-out`: a from-scratch baseline whose run failed or pruned nothing.
   */
  readonly state: "starting" | "resuming" | "finished" | "done" | "left-out" | "failed";
  /** Why it failed or was left out. */
  readonly reason?: string;
  /** Code of the error, for a run that failed. */
  readonly code?: string;
  /** The rank that trains the run alone, in a sweep over ranks. */
  readonly by?: { readonly rank: number; readonly host: string };
}

/** The part of a report that does not identify the run. */
export type SweepNews = Pick<SweepReport, "state" | "reason" | "code">;

/** Hooks to follow and stop a sweep. In a sweep over ranks, rank 0 gets the reports and events of all ranks. */
export interface SweepHooks extends Pick<RunOptions, "signal"> {
  /** Called before and after each run. */
  readonly onRun?: (report: SweepReport) => void;
  /** Called for each event of a run; `name` is the run's name in the sweep. */
  readonly onEvent?: (event: RunEvent, name: string) => void;
}

/** Whether a report is the last of its run. */
export function isOver({ state }: SweepReport): boolean {
  return state !== "starting" && state !== "resuming";
}
