/** Shows on standard error what a command is doing, because standard output may have to be JSON. */
import { createLogUpdate } from "log-update";
import type { Context } from "../context.ts";

/** Shows `text`, the present state of the work. `phase` identifies the kind of work. */
export type ShowStatus = (phase: string, text: string) => void;

/** Runs `work` and shows its status: a redrawn line on a live terminal, else a line whenever the phase changes. */
export async function withStatusLine<T>(
  { stderr, rank = 0 }: Context,
  work: (show: ShowStatus) => Promise<T>,
): Promise<T> {
  if (rank > 0) return work(() => {});
  if (!stderr.isLive) {
    let lastPhase = "";
    return work((phase, text) => {
      if (phase === lastPhase) return;
      lastPhase = phase;
      stderr.print(`… ${text}`);
    });
  }
  const update = createLogUpdate(stderr.stream);
  try {
    return await work((_, text) => update(stderr.colours.dim(`… ${text}`)));
  } finally {
    update.clear();
    update.done();
  }
}
