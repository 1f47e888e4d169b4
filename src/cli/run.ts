/** Shows a new or resumed run in the terminal while it trains, and writes its report at the end. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { TuningClock } from "../engine/tuning-clock.ts";
import { writeReport } from "../report/report.ts";
import type { RunEvent } from "../training/events/events.ts";
import { runFiles } from "../training/run-folder/run-folder.ts";
import type { CommonOptions, Context } from "./context.ts";
import { fileLines } from "./view/run-summary.ts";
import { runView } from "./view/run-view.ts";

/** What a run gets: a callback for its events, and a signal that stops it. */
export interface Hooks {
  readonly onEvent: (event: RunEvent) => void;
  readonly signal: AbortSignal;
  readonly tuningClock: TuningClock;
}

/** If a run has not started after this time, the line `PREPARING` is printed. */
const QUIET_MILLISECONDS = 3000;
const PREPARING = "preparing the network: kernels that are new to this machine are timed once …";
const REDRAW_MILLISECONDS = 250;

/** The progress of timing kernels, in seconds. */
function progressOf({ spent, limit }: TuningClock): string {
  return (
    `  timing kernels that are new to this machine: ${(spent / 1000).toFixed(0)} s of at most ` +
    `${(limit / 1000).toFixed(0)}`
  );
}

/**
 * Runs `start` and shows its events, then writes the report, prints the lines of `after` for the run's folder, and
 * lists the run's files. Rejects with the error of `start`, after it has restored the terminal.
 */
export async function watchRun(
  { stdout, stderr, interruption, rank = 0 }: Context,
  { json = false }: { readonly json?: CommonOptions["json"] | false },
  start: (hooks: Hooks) => Promise<{ readonly folder: string }>,
  after: (folder: string) => Promise<readonly string[]> = async () => [],
): Promise<void> {
  const view = runView(stdout, { json });
  const onFirstInterrupt = (): void => {
    if (rank > 0) return;
    const line = "stopping after this step and writing a checkpoint (Ctrl-C again to leave at once)";
    if (json) stderr.print(line);
    else view.print(`  ${stdout.colours.yellow("!")} ${line}`);
  };
  const waiting = setTimeout(() => {
    if (rank === 0) view.print(stdout.colours.dim(`  ${PREPARING}`));
  }, QUIET_MILLISECONDS);
  const tuningClock = new TuningClock();
  const ticking = setInterval(() => {
    if (rank === 0 && tuningClock.spent > 0) view.wait(progressOf(tuningClock));
  }, REDRAW_MILLISECONDS);
  const stopWaiting = (): void => {
    clearTimeout(waiting);
    clearInterval(ticking);
  };
  const onEvent = (event: RunEvent): void => {
    stopWaiting();
    view.handle(event);
  };
  try {
    const { folder } = await interruption.guard(onFirstInterrupt, () =>
      start({ onEvent, signal: interruption.signal, tuningClock }),
    );
    if (rank > 0) return;
    const report = await writeReport(folder);
    view.settle();
    if (json) return;
    const files = [
      ["report", report],
      ["compact", join(folder, runFiles.compact)],
      ...(existsSync(join(folder, runFiles.int8)) ? [["INT8", join(folder, runFiles.int8)] as const] : []),
      ["run", folder],
    ] as const;
    for (const line of [...(await after(folder)), "", ...fileLines(files, stdout)]) stdout.print(line);
  } finally {
    stopWaiting();
    view.settle();
  }
}
