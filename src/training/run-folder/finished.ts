/** Whether a run is finished. */
import type { RunEvent } from "../events/events.ts";
import { readEventsSoFar } from "./event-log.ts";
import { type RunRecord, readRunRecord } from "./run-record.ts";

/** Whether the run with this record and these events has no epochs left. */
export function hasEnded({ settings }: RunRecord, events: readonly RunEvent[]): boolean {
  if (events.at(-1)?.type !== "run.finished") return false;
  // A session that gave the run more epochs may have been stopped before its first event.
  const started = events.findLast((event) => event.type === "run.started");
  return started === undefined || started.epochs >= settings.epochs;
}

/** The same of the run in `folder`. Throws the errors of reading its record and its events. */
export async function isFinishedRun(folder: string): Promise<boolean> {
  return hasEnded(await readRunRecord(folder), await readEventsSoFar(folder));
}
