/** What a command is busy with, on standard error: its result may be wanted as JSON. */
import { createLogUpdate } from "log-update";
import type { Context } from "../context.ts";

/** Says what is being done; `phase` tells one kind of work from the next, `text` is the latest of it. */
export type ShowStatus = (phase: string, text: string) => void;

/** Runs `work` and shows its status: one redrawn line on a terminal, else a line whenever the phase changes. */
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
