/** What may change when a run is resumed: its number of epochs, and where its data is. `run.json` records both. */
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { mostEpochs } from "../settings/table.ts";
import type { DataSource } from "../start/data/run-data.ts";
import type { Progress } from "./checkpoint-state.ts";
import { type RunRecord, writeRunRecord } from "./run-record.ts";

export interface RunChanges {
  /**
   * More epochs than the run was started for. The schedule then is that of the longer run from here on. A finished run
   * goes on from its last checkpoint.
   */
  readonly epochs?: number;
  /** Threads of the engine in this session. With another number the run continues, but not bit for bit. */
  readonly threads?: number;
  /**
   * The data again: if the run was started with an open dataset that has no name or folder, or if the folder was moved.
   * It must be the same data, by names, sizes and labels of image files, or by the pixels of stored images.
   */
  readonly data?: DataSource;
}

/**
 * @throws UserError "bad-option" unless `epochs` are more than the run has, but not too many, and `threads` is a number
 * of threads.
 */
export function checkChanges({ settings, name }: RunRecord, { epochs, threads }: RunChanges): void {
  const isCount = (value: number): boolean => Number.isInteger(value) && value >= 1;
  if (threads !== undefined && !isCount(threads)) {
    throw new UserError("bad-option", "not a number of threads", {
      ...{ about: "threads", expected: "1 or more", received: String(threads) },
      hint: "Choose a whole number, or leave it out to train with as many threads as before",
    });
  }
  if (epochs === undefined) return;
  if (epochs > mostEpochs) {
    throw new UserError("bad-option", `a run has at most ${mostEpochs} epochs`, {
      ...{ about: `epochs of ${name}`, expected: `at most ${mostEpochs}`, received: String(epochs) },
      hint: "Choose fewer",
    });
  }
  if (isCount(epochs) && epochs > settings.epochs) return;
  throw new UserError("bad-option", "a run is resumed for more epochs than it has, not for as many or fewer", {
    about: `epochs of ${name}`,
    expected: `more than ${settings.epochs}`,
    received: String(epochs),
    hint: "Choose more. A run that was stopped is resumed without a number of epochs, and trains to the end as planned",
  });
}

/** Writes the changes at `step` into `run.json` of `folder`, if there are any. Returns the record as it is then. */
export async function recordChanges(
  folder: string,
  record: RunRecord,
  { epochs = record.settings.epochs, data }: RunChanges,
  step: number,
): Promise<RunRecord> {
  const { extensions = [] } = record;
  const source = typeof data === "string" ? data : record.data.source;
  const isLonger = epochs !== record.settings.epochs;
  if (!isLonger && source === record.data.source) return record;
  const longer = isLonger ? [...extensions, { epochs: record.settings.epochs, step }] : record.extensions;
  const changed: RunRecord = {
    ...record,
    settings: { ...record.settings, epochs },
    data: { ...record.data, source },
    ...optional({ extensions: longer }),
  };
  await writeRunRecord(folder, changed);
  return changed;
}

/** `progress` of a run that has got more epochs since: it goes on even if a hook has ended its training. */
export function reopened(progress: Progress, { extensions = [] }: RunRecord): Progress {
  const last = extensions.at(-1);
  if (last === undefined || progress.step > last.step) return progress;
  const { isEnded: _, ...others } = progress;
  return others;
}
