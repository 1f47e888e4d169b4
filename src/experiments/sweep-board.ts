/**
 * Which rank has which run of a sweep. Every rank keeps the same board: it changes by what all of them have heard, and
 * by nothing else, so that what comes next need not be asked for.
 */

import type { SweepRun } from "./sweep-plan.ts";
import { isOver, type SweepReport } from "./sweep-report.ts";

/** That a rank is to carry out the run at `index` of the plan's. */
export interface Assignment {
  readonly rank: number;
  readonly index: number;
}

export class SweepBoard {
  readonly #runs: readonly SweepRun[];
  readonly #reports: (SweepReport | undefined)[];
  /** By rank, the run that it has. */
  readonly #busy: (number | undefined)[];
  readonly #given = new Set<number>();

  constructor(runs: readonly SweepRun[], ranks: number) {
    this.#runs = runs;
    this.#reports = runs.map(() => undefined);
    this.#busy = Array.from({ length: ranks }, () => undefined);
  }

  /** Last reports of the runs that are over, in the plan's order. */
  get reports(): readonly SweepReport[] {
    return this.#reports.filter((report) => report !== undefined);
  }

  get isIdle(): boolean {
    return this.#busy.every((index) => index === undefined);
  }

  get isOver(): boolean {
    return this.#reports.every((report) => report !== undefined);
  }

  /** What is heard of a run; its last report frees the rank that had it. */
  hear(report: SweepReport): void {
    if (!isOver(report)) return;
    const index = report.number - 1;
    this.#reports[index] = report;
    this.#given.add(index);
    this.#free(index);
  }

  /** The run was stopped before its end: nobody has it any more, and nobody gets it. */
  stop(index: number): void {
    this.#free(index);
  }

  /** Gives each rank without a run the first one that nobody had yet; a control comes after its run. */
  assign(): readonly Assignment[] {
    const assignments: Assignment[] = [];
    for (const [rank, own] of this.#busy.entries()) {
      if (own !== undefined) continue;
      const index = this.#runs.findIndex((run, at) => !this.#given.has(at) && this.#isReady(run));
      if (index < 0) break;
      this.#given.add(index);
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
