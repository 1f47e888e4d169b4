/**
 * Three views of a run that trains: redrawn lines on a terminal, plain lines in a log, and JSON lines for programs. A
 * view only reads events.
 */
import { createLogUpdate } from "log-update";
import { formatDuration } from "../../report/format.ts";
import type { RunEvent, RunStarted, Step } from "../../training/events/events.ts";
import type { Terminal } from "../terminal.ts";
import { Narrator } from "./event-lines.ts";
import { progressLines, stepParts } from "./progress.ts";

export interface RunView {
  handle(event: RunEvent): void;
  /** Prints `line` above the redrawn lines. */
  print(line: string): void;
  /** Shows `line` as the redrawn line of a live terminal; the other views ignore it. */
  wait(line: string): void;
  /** Removes the redrawn lines from the terminal. The view can be used afterwards. */
  settle(): void;
}

/** Shortest time between two redraws, and between two plain lines of progress. */
const REDRAW_MILLISECONDS = 100;
const PLAIN_MILLISECONDS = 20_000;

/** For a run of a sweep: writes a line on the time left, for the whole sweep. */
type Below = ((step: Step) => string) | undefined;

function liveView(terminal: Terminal, now: () => number, below: Below): RunView {
  const update = createLogUpdate(terminal.stream);
  const narrator = new Narrator(terminal);
  let started: RunStarted | undefined;
  let accuracy: number | undefined;
  let drawnAt = Number.NEGATIVE_INFINITY;
  const draw = (step: Step): void => {
    if (started === undefined || now() - drawnAt < REDRAW_MILLISECONDS) return;
    drawnAt = now();
    const last = below === undefined ? "" : `\n  ${terminal.colours.dim(below(step))}`;
    update(`\n${progressLines(step, started, accuracy, terminal)}${last}`);
  };
  const settle = (): void => {
    update.clear();
    update.done();
    drawnAt = Number.NEGATIVE_INFINITY;
  };
  const print = (line: string): void => {
    settle();
    terminal.print(line);
  };
  return {
    handle: (event) => {
      if (event.type === "run.started") started = event;
      if (event.type === "epoch") accuracy = event.testAccuracy;
      if (event.type === "step") draw(event);
      const lines = narrator.linesFor(event);
      if (lines.length > 0) print(lines.join("\n"));
      if (event.type === "epoch" && event.epoch === started?.epochs) {
        update(`\n${terminal.colours.dim("  testing and pruning …")}`);
      }
    },
    print,
    wait: (line) => update(terminal.colours.dim(line)),
    settle,
  };
}

function plainView(terminal: Terminal, now: () => number, below: Below): RunView {
  const narrator = new Narrator(terminal);
  let started: RunStarted | undefined;
  let printedAt = now();
  return {
    handle: (event) => {
      if (event.type === "run.started") started = event;
      if (event.type === "step" && started !== undefined && now() - printedAt >= PLAIN_MILLISECONDS) {
        printedAt = now();
        const place = `step ${event.step}/${started.totalSteps}`;
        const left = below === undefined ? `${formatDuration(event.etaSeconds)} to go` : below(event);
        terminal.print(`    ${[place, ...stepParts(event, started), left].join(", ")}`);
      }
      const lines = narrator.linesFor(event);
      if (lines.length > 0) {
        terminal.print(lines.join("\n"));
        printedAt = now();
      }
    },
    print: (line) => terminal.print(line),
    wait: () => {},
    settle: () => {},
  };
}

function jsonView(terminal: Terminal): RunView {
  return {
    handle: (event) => terminal.print(JSON.stringify(event)),
    print: () => {},
    wait: () => {},
    settle: () => {},
  };
}

/** The view for `terminal`. With `json` it prints each event as a line, and nothing else. */
export function runView(
  terminal: Terminal,
  { json, now = Date.now, below }: { json: boolean; now?: () => number; below?: (step: Step) => string },
): RunView {
  if (json) return jsonView(terminal);
  return terminal.isLive ? liveView(terminal, now, below) : plainView(terminal, now, below);
}
