/** The view of a sweep: the view of each run, and between runs the run's number and the time that is left. */
import type { SweepResult } from "../../experiments/sweep.ts";
import type { SweepReport } from "../../experiments/sweep-report.ts";
import { formatDuration, plural } from "../../report/format.ts";
import type { RunEvent, Step } from "../../training/events/events.ts";
import type { Terminal } from "../terminal.ts";
import { type RunView, runView } from "./run-view.ts";

/** Measures the time of runs, to estimate how long the sweep will take. */
export class SweepClock {
  readonly #now: () => number;
  readonly #durations: number[] = [];
  #report: SweepReport | undefined;
  #startedAt = 0;

  /** `now`: a clock in milliseconds. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  update(report: SweepReport): void {
    if (report.state === "starting" || report.state === "resuming") this.#startedAt = this.#now();
    if (report.state === "finished") this.#durations.push((this.#now() - this.#startedAt) / 1000);
    this.#report = report;
  }

  /**
   * Estimates the seconds until the last run ends, if `runSeconds` are left for the present run. The other runs are
   * expected to take as long as earlier ones did on average.
   */
  secondsLeft(runSeconds: number): number {
    if (this.#report === undefined) return runSeconds;
    const { number, runs } = this.#report;
    const elapsed = (this.#now() - this.#startedAt) / 1000;
    const known = this.#durations.length > 0 ? this.#durations : [elapsed + runSeconds];
    const typical = known.reduce((sum, seconds) => sum + seconds, 0) / known.length;
    return runSeconds + (runs - number) * typical;
  }

  /** `run 2 of 6, 12 min 00 s to go for the sweep`. */
  place({ etaSeconds }: Step): string {
    const { number = 1, runs = 1 } = this.#report ?? {};
    return `run ${number} of ${runs}, ${formatDuration(this.secondsLeft(etaSeconds))} to go for the sweep`;
  }
}

export interface SweepView extends Pick<RunView, "print" | "settle"> {
  /** `name`: the name of the run in the sweep. */
  event(event: RunEvent, name: string): void;
  run(report: SweepReport): void;
}

/** Lines on a run, before it starts and after it ends. */
export function reportLines(report: SweepReport, { colours }: Terminal): readonly string[] {
  const { number, runs, name, state, reason, by } = report;
  const place = `run ${number} of ${runs}`;
  const where = by === undefined ? "" : colours.dim(` on rank ${by.rank} (${by.host})`);
  switch (state) {
    case "starting":
    case "resuming":
      return ["", colours.bold(`${state === "resuming" ? "Resuming " : ""}${place}: ${name}`) + where];
    case "finished":
      return [`${colours.green("✓")} ${place}: ${name}`];
    case "done":
      return [`${colours.green("✓")} ${place}: ${name} ${colours.dim("(already finished)")}`];
    case "left-out":
      return [colours.dim(`– ${place}: ${name} skipped: ${reason}`)];
    case "failed":
      return [`${colours.red("✗")} ${place}: ${name} failed [${report.code}]`, `  ${reason}`];
  }
}

/** The view for `terminal`. With `json` it prints each report and event as a line, and nothing else. */
export function sweepView(terminal: Terminal, { json }: { readonly json: boolean }): SweepView {
  const clock = new SweepClock();
  const view = runView(terminal, { json, below: (step) => clock.place(step) });
  return {
    event: (event) => view.handle(event),
    run: (report) => {
      clock.update(report);
      view.settle();
      if (json) terminal.print(JSON.stringify(report));
      else for (const line of reportLines(report, terminal)) terminal.print(line);
    },
    print: (line) => view.print(line),
    settle: () => view.settle(),
  };
}

/** `4 of 6 runs finished, 1 skipped, 1 failed`. */
export function outcome({ reports }: SweepResult): string {
  const count = (...states: readonly SweepReport["state"][]): number =>
    reports.filter(({ state }) => states.includes(state)).length;
  const [skipped, failed] = [count("left-out"), count("failed")];
  return [
    `${count("finished", "done")} of ${plural(reports.length, "run")} finished`,
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ].join(", ");
}
