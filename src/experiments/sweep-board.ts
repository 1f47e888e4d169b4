/**
 * Assigns the runs of a sweep to ranks. Every rank keeps the same board, because only messages that all ranks receive
 * change it. So every rank knows the next assignment.
 */

import type { SweepRun } from "./sweep-plan.ts";
import { isOver, type SweepReport } from "./sweep-report.ts";

/** A rank and the index in the plan of the run that it must carry out. */
export interface Assignment {
  readonly rank: number;
  readonly index: number;
}

export class SweepBoard {
  readonly #runs: readonly SweepRun[];
  readonly #reports: (SweepReport | undefined)[];
  /** For each rank: the index of its run. */
  readonly #busy: (number | undefined)[];
  readonly #assigned = new Set<number>();

  constructor(runs: readonly SweepRun[], ranks: number) {
    this.#runs = runs;
    this.#reports = runs.map(() => undefined);
    this.#busy = Array.from({ length: ranks }, () => undefined);
  }

  /** Last reports of the finished runs, in the plan's order. */
  get reports(): readonly SweepReport[] {
    return this.#reports.filter((report) => report !== undefined);
  }

  get isIdle(): boolean {
    return this.#busy.every((index) => index === undefined);
  }

  get isOver(): boolean {
    return this.#reports.every((report) => report !== undefined);
  }

  /** Records a report. The last report of a run frees its rank. */
  update(report: SweepReport): void {
    if (!isOver(report)) return;
    const index = report.number - 1;
    this.#reports[index] = report;
    this.#assigned.add(index);
    this.#free(index);
  }

  /** Frees the rank of a run that was stopped. The run is not assigned again. */
  stop(index: number): void {
    this.#free(index);
  }

  /** Assigns to each free rank the first run that was not assigned yet. A from-scratch baseline comes after its run. */
  assign(): readonly Assignment[] {
    const assignments: Assignment[] = [];
    for (const [rank, own] of this.#busy.entries()) {
      if (own !== undefined) continue;
      const index = this.#runs.findIndex((run, at) => !this.#assigned.has(at) && this.#isReady(run));
      if (index < 0) break;
      this.#assigned.add(index);
      this.#busy[rank] = index;
      assignments.push({ rank, index });
    }
    return assignments;
  }

  #isReady({ controlOf }: SweepRun): boolean {
    return controlOf === undefined || this.reports.some(({ name }) => name === controlOf.name);
  }

  #free(index: number): void {
    const rank = this.#busy.indexOf(index);
    if (rank >= 0) this.#busy[rank] = undefined;
  }
}
