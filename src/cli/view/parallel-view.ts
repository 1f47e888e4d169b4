/** A sweep whose ranks train runs of their own: a line for each rank that is at work, and above them what is over. */
import { createLogUpdate } from "log-update";
import type { SweepReport } from "../../experiments/sweep-report.ts";
import { formatDuration, formatPercent, formatQuantity, percentOf, plural } from "../../report/format.ts";
import type { RunEvent, RunFinished, RunStarted, Step } from "../../training/events.ts";
import { fitParts, type Terminal } from "../terminal.ts";
import { bar, stepParts } from "./progress.ts";
import { reportLines, type SweepView } from "./sweep-view.ts";

const REDRAW_MILLISECONDS = 100;
const BAR = 16;

/** A run that goes on. */
interface Going {
  readonly report: SweepReport;
  readonly startedAt: number;
  started?: RunStarted;
  step?: Step;
  finished?: RunFinished;
}

/** What goes on, and how long the rest will take. */
export class SweepBoardView {
  readonly #going = new Map<string, Going>();
  readonly #seconds: number[] = [];
  readonly #over = new Set<string>();
  readonly #now: () => number;
  #runs = 0;

  /** `now`: a clock in milliseconds. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  look(report: SweepReport): void {
    const { name, state, runs } = report;
    this.#runs = runs;
    if (state === "starting" || state === "resuming") {
      this.#going.set(name, { report, startedAt: this.#now() });
      return;
    }
    const run = this.#going.get(name);
    if (run !== undefined && state === "finished") this.#seconds.push((this.#now() - run.startedAt) / 1000);
    this.#going.delete(name);
    this.#over.add(name);
  }

  follow(event: RunEvent, name: string): void {
    const run = this.#going.get(name);
    if (run === undefined) return;
    if (event.type === "run.started") run.started = event;
    if (event.type === "step") run.step = event;
    if (event.type === "run.finished") run.finished = event;
  }

  /** What is known of a run that goes on. */
  of(name: string): Pick<Going, "started" | "finished"> {
    return this.#going.get(name) ?? {};
  }

  /** By the run's own times, those of runs before it, or, as long as there are none, of those that go on. */
  secondsLeft(): number | undefined {
    const left = [...this.#going.values()].flatMap(({ step }) => (step === undefined ? [] : [step.etaSeconds]));
    if (left.length === 0) return undefined;
    const elapsed = [...this.#going.values()].map(({ startedAt, step }) => {
      return (this.#now() - startedAt) / 1000 + (step?.etaSeconds ?? 0);
    });
    const known = this.#seconds.length > 0 ? this.#seconds : elapsed;
    const typical = known.reduce((sum, seconds) => sum + seconds, 0) / known.length;
    const waiting = this.#runs - this.#over.size - this.#going.size;
    const work = left.reduce((sum, seconds) => sum + seconds, 0) + waiting * typical;
    return Math.max(...left, work / this.#going.size);
  }

  /** `1 of 6 runs over, 12 min 00 s to go in all`. */
  place(): string {
    const left = this.secondsLeft();
    const over = `${this.#over.size} of ${plural(this.#runs, "run")} over`;
    return left === undefined ? over : `${over}, ${formatDuration(left)} to go in all`;
  }

  /** A line for each rank at work, the lowest first. */
  lines(terminal: Terminal): readonly string[] {
    const going = [...this.#going.values()].toSorted((a, b) => (a.report.by?.rank ?? 0) - (b.report.by?.rank ?? 0));
    const width = Math.max(...going.map(({ report }) => report.name.length), 0);
    return going.map(({ report, started, step }) => {
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

/** What a run came to, in a line. */
function resultOf({ before, after, seconds }: RunFinished): string {
  return [
    `${formatPercent(after.accuracy, 2)} accuracy`,
    `${formatPercent(percentOf(after.macs, before.macs))} of ${formatQuantity(before.macs)} MACs`,
    formatDuration(seconds),
  ].join(", ");
}

/** Lines that stay, of what happens in one of several runs that go on at once. */
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

/** The view for `terminal`; with `json`, reports and events one a line, each event with the name of its run. */
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
      // On a terminal that is redrawn the epochs are seen as they go by.
      if (!(terminal.isLive && event.type === "epoch")) print(eventLines(event, name, started, terminal));
      draw();
    },
    run: (report) => {
      const { finished } = board.of(report.name);
      board.look(report);
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
