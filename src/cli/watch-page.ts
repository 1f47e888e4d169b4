/** `train --ui`: the training process itself serves a page that shows the run, until the run ends. */
import { basename, dirname, resolve } from "node:path";
import { openDashboard } from "../dashboard/server.ts";
import type { RunEvent } from "../training/events/events.ts";
import { DEFAULT_RUNS_FOLDER } from "../training/run-folder/run-folder.ts";
import { type Context, printNotice } from "./context.ts";
import { openInBrowser } from "./open.ts";

export interface WatchPage {
  /** Opens the page of the run when the run starts. */
  readonly onEvent: (event: RunEvent) => void;
  close(): Promise<void>;
}

/** Serves the folder that will contain the run, that of `out` or the default one, and prints the address. */
export async function openWatchPage(context: Context, out: string | undefined): Promise<WatchPage> {
  const runs = out === undefined ? resolve(DEFAULT_RUNS_FOLDER) : dirname(resolve(out));
  const dashboard = await openDashboard({ runs, onError: (error) => printNotice(context, String(error)) });
  const { address } = dashboard;
  printNotice(context, `live at ${out === undefined ? address : dashboard.addressOf(basename(resolve(out)))}`);
  return {
    onEvent: (event) => {
      if (event.type !== "run.started" || context.stdout.stream.isTTY !== true) return;
      void openInBrowser(context, dashboard.addressOf(out === undefined ? event.run : basename(resolve(out))));
    },
    close: () => dashboard.close(),
  };
}
