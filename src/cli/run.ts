/** A run from the command line, new or resumed: watched while it goes on, reported when it is over. */
import { join } from "node:path";
import { writeReport } from "../report/report.ts";
import type { RunEvent } from "../training/events.ts";
import { runFiles } from "../training/run-folder.ts";
import type { CommonOptions, Context } from "./context.ts";
import { fileLines } from "./view/closing.ts";
import { runView } from "./view/run-view.ts";

/** What a run is handed: it tells us of its events and stops when the signal is aborted. */
export interface Hooks {
  readonly onEvent: (event: RunEvent) => void;
  readonly signal: AbortSignal;
}

/** What is said of a run that has not begun for so long: a large network takes minutes the first time. */
const QUIET_MILLISECONDS = 3000;
const PREPARING = "preparing the network: kernels that are new to this machine are timed once …";

/**
 * Runs `start` with a view of its events, then writes the report and says where everything is, behind what `after` has to say of the
 * run in `folder`. Rejects with what `start` rejects with, the terminal tidied up.
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
  const onEvent = (event: RunEvent): void => {
    clearTimeout(waiting);
    view.handle(event);
  };
  try {
    const { folder } = await interruption.guard(onFirstInterrupt, () =>
      start({ onEvent, signal: interruption.signal }),
    );
    if (rank > 0) return;
    const report = await writeReport(folder);
    view.settle();
    if (json) return;
    const files = [
      ["report", report],
      ["compact", join(folder, runFiles.compact)],
      ["run", folder],
    ] as const;
    for (const line of [...(await after(folder)), "", ...fileLines(files, stdout)]) stdout.print(line);
  } finally {
    clearTimeout(waiting);
    view.settle();
  }
}
