/** The view of a sweep whose ranks train runs of their own: a line for each rank, below the lines of finished runs. */
import { createLogUpdate } from "log-update";
import type { SweepReport } from "../../experiments/sweep-report.ts";
import { formatDuration, formatPercent, formatQuantity, percentOf, plural } from "../../report/format.ts";
import type { RunEvent, RunFinished, RunStarted, Step } from "../../training/events/events.ts";
import { fitParts, type Terminal } from "../terminal.ts";
import { bar, stepParts } from "./progress.ts";
import { reportLines, type SweepView } from "./sweep-view.ts";

const REDRAW_MILLISECONDS = 100;
const BAR = 16;

/** A run that is training. */
interface ActiveRun {
  readonly report: SweepReport;
  readonly startedAt: number;
  started?: RunStarted;
  step?: Step;
  finished?: RunFinished;
}

/** Keeps the state of all runs of a sweep, and estimates the time that is left. */
export class SweepBoardView {
  readonly #active = new Map<string, ActiveRun>();
  readonly #seconds: number[] = [];
  readonly #ended = new Set<string>();
  readonly #now: () => number;
  #runs = 0;

  /** `now`: a clock in milliseconds. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  update(report: SweepReport): void {
    const { name, state, runs } = report;
    this.#runs = runs;
    if (state === "starting" || state === "resuming") {
      this.#active.set(name, { report, startedAt: this.#now() });
      return;
    }
    const run = this.#active.get(name);
    if (run !== undefined && state === "finished") this.#seconds.push((this.#now() - run.startedAt) / 1000);
    this.#active.delete(name);
    this.#ended.add(name);
  }

  follow(event: RunEvent, name: string): void {
    const run = this.#active.get(name);
    if (run === undefined) return;
    if (event.type === "run.started") run.started = event;
    if (event.type === "step") run.step = event;
    if (event.type === "run.finished") run.finished = event;
  }

  /** The first and last event of an active run, as far as they have arrived. */
  of(name: string): Pick<ActiveRun, "started" | "finished"> {
    return this.#active.get(name) ?? {};
  }

  /**
   * Estimates the seconds until the sweep ends, from the active runs' own estimates. A waiting run is expected to take
   * as long as finished runs did on average, or active runs will. Undefined before the first step.
   */
  secondsLeft(): number | undefined {
    const left = [...this.#active.values()].flatMap(({ step }) => (step === undefined ? [] : [step.etaSeconds]));
    if (left.length === 0) return undefined;
    const elapsed = [...this.#active.values()].map(({ startedAt, step }) => {
      return (this.#now() - startedAt) / 1000 + (step?.etaSeconds ?? 0);
    });
    const known = this.#seconds.length > 0 ? this.#seconds : elapsed;
    const typical = known.reduce((sum, seconds) => sum + seconds, 0) / known.length;
    const waiting = this.#runs - this.#ended.size - this.#active.size;
    const work = left.reduce((sum, seconds) => sum + seconds, 0) + waiting * typical;
    return Math.max(...left, work / this.#active.size);
  }

  /** `1 of 6 runs ended, 12 min 00 s to go for the sweep`. */
  place(): string {
    const left = this.secondsLeft();
    const ended = `${this.#ended.size} of ${plural(this.#runs, "run")} ended`;
    return left === undefined ? ended : `${ended}, ${formatDuration(left)} to go for the sweep`;
  }

  /** A line for each rank that trains a run, in the order of ranks. */
  lines(terminal: Terminal): readonly string[] {
    const active = [...this.#active.values()].toSorted((a, b) => (a.report.by?.rank ?? 0) - (b.report.by?.rank ?? 0));
    const width = Math.max(...active.map(({ report }) => report.name.length), 0);
    return active.map(({ report, started, step }) => {
      const { colours } = terminal;
      const share = step === undefined || started === undefined ? 0 : step.step / Math.max(1, started.totalSteps);
      const { filled, empty } = bar(share, BAR);
      const percent = `${String(Math.floor(100 * share)).padStart(3)} %`;
      const parts = [
        `  ${colours.dim(`rank ${report.by?.rank ?? 0}`)}`,
        colours.bold(report.name.padEnd(width)),
        `${colours.green(filled)}${colours.dim(empty)} ${percent}`,
        ...(step === undefined || started === undefined
          ? [colours.dim("preparing")]
          : [`${formatDuration(step.etaSeconds)} to go`, ...stepParts(step, started)]),
      ];
      return fitParts(parts, terminal.width() - 1);
    });
  }
}

/** The result of a run, in one line. */
function resultOf({ before, after, seconds }: RunFinished): string {
  return [
    `${formatPercent(after.accuracy, 2)} accuracy`,
    `${formatPercent(percentOf(after.macs, before.macs))} of ${formatQuantity(before.macs)} MACs`,
    formatDuration(seconds),
  ].join(", ");
}

/** Lines that stay on the screen, for an event of one of several active runs. */
function eventLines(
  event: RunEvent,
  name: string,
  started: RunStarted | undefined,
  { colours }: Terminal,
): readonly string[] {
  switch (event.type) {
    case "notice":
      return [`  ${colours.yellow("!")} ${name}: ${event.message}`];
    case "warning":
      return [`  ${colours.red("!")} ${name}: ${colours.bold(event.message)}`, colours.dim(`    ${event.hint}`)];
    case "epoch": {
      const left = started && `${formatPercent(percentOf(event.cost.macs, started.cost.macs))} of MACs left`;
      const parts = [
        `epoch ${event.epoch}${started === undefined ? "" : `/${started.epochs}`}`,
        `loss ${event.trainLoss.toFixed(3)}`,
        `${formatPercent(event.testAccuracy, 2)} accuracy`,
        ...(left === undefined ? [] : [left]),
      ];
      return [colours.dim(`  ${name}: ${parts.join(", ")}`)];
    }
    default:
      return [];
  }
}

/** The view for `terminal`. With `json` it prints each report and event as a line, and the name of its run. */
export function parallelView(
  terminal: Terminal,
  { json, now }: { readonly json: boolean; readonly now?: () => number },
): SweepView {
  if (json) return jsonView(terminal);
  const board = new SweepBoardView(now);
  const update = createLogUpdate(terminal.stream);
  let drawnAt = Number.NEGATIVE_INFINITY;
  const settle = (): void => {
    if (!terminal.isLive) return;
    update.clear();
    update.done();
    drawnAt = Number.NEGATIVE_INFINITY;
  };
  const draw = (): void => {
    const time = (now ?? Date.now)();
    if (!terminal.isLive || time - drawnAt < REDRAW_MILLISECONDS) return;
    drawnAt = time;
    update(`\n${[...board.lines(terminal), `  ${terminal.colours.dim(board.place())}`].join("\n")}`);
  };
  const print = (lines: readonly string[]): void => {
    if (lines.length === 0) return;
    settle();
    for (const line of lines) terminal.print(line);
  };
  return {
    event: (event, name) => {
      const { started } = board.of(name);
      board.follow(event, name);
      // On a live terminal, the redrawn line already shows the progress of epochs.
      if (!(terminal.isLive && event.type === "epoch")) print(eventLines(event, name, started, terminal));
      draw();
    },
    run: (report) => {
      const { finished } = board.of(report.name);
      board.update(report);
      const [first = "", ...more] = reportLines(report, terminal).filter((line) => line !== "");
      print([finished === undefined ? first : `${first}: ${resultOf(finished)}`, ...more]);
      draw();
    },
    print: (line) => print([line]),
    settle,
  };
}

function jsonView(terminal: Terminal): SweepView {
  return {
    event: (event, name) => terminal.print(JSON.stringify({ run: name, ...event })),
    run: (report) => terminal.print(JSON.stringify(report)),
    print: () => {},
    settle: () => {},
  };
}
