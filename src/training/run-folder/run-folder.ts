/**
 * A run is a folder: what is in it, how it is created, and who may write to it.
 *
 *     run.json           the whole configuration, versions, hashes (`run-record.ts`); with it the folder is a run
 *     teacher.onnx       what the run distils from, if it does
 *     events.jsonl       one event a line (`event-log.ts`)
 *     checkpoints/       the last two states the run can go on from (`checkpoints.ts`)
 *     network.onnx       the trained network with its factors, at the end
 *     compact.onnx       what is left of it
 *     certificate.json   that both give the same answers
 *     report.html        the report, written by whoever shows the run
 *     .lock, .owner      while it is being trained: by whom (`claim.ts`)
 */
import fs from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { lock } from "proper-lockfile";
import { UserError } from "../../core/errors.ts";
import { systemCode } from "../../core/system-errors.ts";
import { runFileError } from "./file-errors.ts";

export const runFiles = {
  record: "run.json",
  teacher: "teacher.onnx",
  events: "events.jsonl",
  checkpoints: "checkpoints",
  network: "network.onnx",
  compact: "compact.onnx",
  certificate: "certificate.json",
  report: "report.html",
} as const;

/** Where runs are kept unless a caller says otherwise, relative to the working directory. */
export const DEFAULT_RUNS_FOLDER = "runs";

/** How many names `<stem>-2`, `<stem>-3`, … are tried before asking for one. */
const MAXIMUM_NAMES = 10_000;

/** What a start leaves that was killed before it had written `run.json`, temporary files included. */
const ofStart: readonly string[] = [
  runFiles.checkpoints,
  runFiles.events,
  runFiles.teacher,
  runFiles.record,
  ".lock",
  ".owner",
];

/**
 * Whether there is no run among `names`, those in a folder, and nothing else that is anybody's: it can be trained in.
 */
export function isUnused(names: readonly string[]): boolean {
  const isOfStart = (name: string): boolean => ofStart.includes(name.replace(/\.\d+$/, ""));
  return names.every(isOfStart) && !names.includes(runFiles.record);
}

/**
 * Makes the folder of a new run. One that is empty, or that a start was killed in before there was a run, is taken.
 * @throws UserError "run-exists" if there is anything else at `path` already.
 */
export async function createRunFolder(path: string): Promise<string> {
  const folder = resolve(path);
  if (await makeFolder(folder)) return folder;
  const names = await readdir(folder).catch(() => undefined);
  if (names !== undefined && isUnused(names)) {
    await mkdir(join(folder, runFiles.checkpoints), { recursive: true });
    return folder;
  }
  throw taken(path);
}

/**
 * Refuses `folder` if there is a run by now: to be asked once it is locked, for two may have found it unused.
 * @throws UserError "run-exists".
 */
export async function requireUnused(folder: string): Promise<void> {
  if (!isUnused(await readdir(folder))) throw taken(folder);
}

function taken(path: string): UserError {
  return new UserError("run-exists", "there is a run of this name already", {
    about: path,
    hint: `Continue it with "espalier resume ${path}" (resume() in code), or choose another name`,
  });
}

/** Makes the folder of a new run in `parent`, called `stem` or, if that is taken, `stem-2`, `stem-3`, …. */
export async function createNumberedRunFolder(parent: string, stem: string): Promise<string> {
  for (let number = 1; number <= MAXIMUM_NAMES; number++) {
    const folder = resolve(parent, number === 1 ? stem : `${stem}-${number}`);
    if (await makeFolder(folder)) return folder;
  }
  throw new UserError("run-exists", `${MAXIMUM_NAMES} runs are called "${stem}"`, {
    about: parent,
    hint: "Give the run a name of its own",
  });
}

/** False if something is in the way; `mkdir` decides, so two processes never take the same folder. */
async function makeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(dirname(folder), { recursive: true });
    await mkdir(folder);
    await mkdir(join(folder, runFiles.checkpoints));
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw runFileError(error, folder, "Choose a folder that can be written to");
  }
}

/** A lock not renewed for this long was left by a process that died. */
const STALE_MILLISECONDS = 5000;

/**
 * Keeps other processes from training in `folder` until the returned function is called; waits long enough for the lock
 * of a process that was killed to go stale. `onLost` hears of a lock that could not be kept; `letGo` is called as the
 * lock is about to be taken away, and answers false if it is another process's by now.
 * @throws UserError "run-exists" if the run is being trained elsewhere.
 */
export async function lockRunFolder(
  folder: string,
  onLost: () => void,
  letGo: () => boolean = () => true,
): Promise<() => Promise<void>> {
  let isTaken = false;
  // A stale lock is removed by these too, before there is one of ours.
  const mayRemove = (): boolean => !isTaken || letGo();
  const rmdirSync = (path: string): void => {
    if (mayRemove()) fs.rmdirSync(path);
  };
  const rmdir = (path: string, done: (error: Error | null) => void): void => {
    if (mayRemove()) fs.rmdir(path, done);
    else done(null);
  };
  try {
    const unlock = await lock(folder, {
      fs: { ...fs, rmdir, rmdirSync },
      lockfilePath: join(folder, ".lock"),
      stale: STALE_MILLISECONDS,
      retries: { retries: 7, factor: 1, minTimeout: 1000, maxTimeout: 1000 },
      onCompromised: onLost,
    });
    isTaken = true;
    return unlock;
  } catch (error) {
    if (systemCode(error) !== "ELOCKED") throw runFileError(error, folder);
    throw new UserError("run-exists", "another process is training this run", {
      about: folder,
      hint: "Wait for it to end, or stop it",
    });
  }
}
