/** A finished run that another run starts from: its compact network and its data. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../core/errors.ts";
import { isFinishedRun } from "../run-folder/finished.ts";
import { runFiles } from "../run-folder/run-folder.ts";
import { readRunRecord } from "../run-folder/run-record.ts";

export interface FinishedRun {
  /** Path of its compact network. The file's metadata says how its images are prepared. */
  readonly model: string;
  /** The name or folder of its data. */
  readonly data: string;
}

/** Whether `source` is the folder of a run. */
export function isRunFolder(source: string): boolean {
  return existsSync(join(source, runFiles.record)) && statSync(source).isDirectory();
}

/**
 * The run in `folder`.
 * @throws UserError "missing-file" if it has no compact network yet, and the errors of reading its record.
 */
export async function finishedRun(folder: string): Promise<FinishedRun> {
  const { data } = await readRunRecord(folder);
  const model = join(folder, runFiles.compact);
  if (existsSync(model)) return { model, data: data.source };
  throw (await isFinishedRun(folder))
    ? new UserError("missing-file", "the compact network of the run is gone", {
        about: model,
        hint: "Put the file back, or train the run again",
      })
    : new UserError("missing-file", "the run is not finished, so there is no network to start from", {
        about: folder,
        hint: `Finish it first: espalier resume ${folder}`,
      });
}
