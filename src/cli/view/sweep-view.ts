/**
 * A sweep as it happens: the view of each run, and between them which run it is, how many are left and for how long.
 */

import type { SweepResult } from "../../experiments/sweep.ts";
import type { SweepReport } from "../../experiments/sweep-report.ts";
import { formatDuration, plural } from "../../report/format.ts";
import type { RunEvent, Step } from "../../training/events.ts";
import type { Terminal } from "../terminal.ts";
import { type RunView, runView } from "./run-view.ts";

/** Keeps the time of a sweep, to tell how much is left of it. */
export class SweepClock {
  readonly #now: () => number;
  readonly #durations: number[] = [];
  #report: SweepReport | undefined;
  #startedAt = 0;

  /** `now`: a clock in milliseconds. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  look(report: SweepReport): void {
    if (report.state === "starting" || report.state === "resuming") this.#startedAt = this.#now();
    if (report.state === "finished") this.#durations.push((this.#now() - this.#startedAt) / 1000);
    this.#report = report;
  }

  /**
   * Seconds until the last run is done, once a run is under way for which `runSeconds` are left; the others take as
   * long as those before.
   */
  secondsLeft(runSeconds: number): number {
    if (this.#report === undefined) return runSeconds;
    const { number, runs } = this.#report;
    const elapsed = (this.#now() - this.#startedAt) / 1000;
    const known = this.#durations.length > 0 ? this.#durations : [elapsed + runSeconds];
    const typical = known.reduce((sum, seconds) => sum + seconds, 0) / known.length;
    return runSeconds + (runs - number) * typical;
  }

  /** `run 2 of 6, 12 min 00 s to go in all`. */
  place({ etaSeconds }: Step): string {
    const { number = 1, runs = 1 } = this.#report ?? {};
    return `run ${number} of ${runs}, ${formatDuration(this.secondsLeft(etaSeconds))} to go in all`;
  }
}

export interface SweepView extends Pick<RunView, "print" | "settle"> {
  /** `name`: of the run in the sweep. */
  event(event: RunEvent, name: string): void;
  run(report: SweepReport): void;
}

/** What is said of a run before and after it. */
export function reportLines(report: SweepReport, { colours }: Terminal): readonly string[] {
  const { number, runs, name, state, reason, by } = report;
  const place = `run ${number} of ${runs}`;
  const where = by === undefined ? "" : colours.dim(` on rank ${by.rank} (${by.host})`);
  switch (state) {
    case "starting":
    case "resuming":
      return ["", colours.bold(`${state === "resuming" ? "Going on with " : ""}${place}: ${name}`) + where];
    case "finished":
      return [`${colours.green("✓")} ${place}: ${name}`];
    case "done":
      return [`${colours.green("✓")} ${place}: ${name} ${colours.dim("(was finished before)")}`];
    case "left-out":
      return [colours.dim(`– ${place}: ${name} left out: ${reason}`)];
    case "failed":
      return [`${colours.red("✗")} ${place}: ${name} failed [${report.code}]`, `  ${reason}`];
  }
}

/** The view for `terminal`; with `json`, reports and events one a line and nothing else. */
export function sweepView(terminal: Terminal, { json }: { readonly json: boolean }): SweepView {
  const clock = new SweepClock();
  const view = runView(terminal, { json, below: (step) => clock.place(step) });
  return {
    event: (event) => view.handle(event),
    run: (report) => {
      clock.look(report);
      view.settle();
      if (json) terminal.print(JSON.stringify(report));
      else for (const line of reportLines(report, terminal)) terminal.print(line);
    },
    print: (line) => view.print(line),
    settle: () => view.settle(),
  };
}

/** `4 of 6 runs finished, 1 left out, 1 failed`. */
export function outcome({ reports }: SweepResult): string {
  const count = (...states: readonly SweepReport["state"][]): number =>
    reports.filter(({ state }) => states.includes(state)).length;
  const [leftOut, failed] = [count("left-out"), count("failed")];
  return [
    `${count("finished", "done")} of ${plural(reports.length, "run")} finished`,
    ...(leftOut > 0 ? [`${leftOut} left out`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ].join(", ");
}
