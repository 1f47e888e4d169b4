/**
 * The folder of a run: its files, how it is created, and the lock that decides who may write to it.
 *
 *     run.json           all settings, versions, hashes (`run-record.ts`); it makes the folder a run
 *     teacher.onnx       the teacher network, if the run distils
 *     latency.json       the times of the network's layers, if the run is about latency
 *     events.jsonl       one event in each line (`event-log.ts`)
 *     checkpoints/       the last two states (`checkpoint-files.ts`)
 *     network.onnx       the trained network with its factors, at the end
 *     compact.onnx       the network after the cut
 *     compact-int8.onnx  the same on 8-bit integers, if the run simulated them
 *     certificate.json   the proof that both give the same answers
 *     report.html        the report, written by the command line
 *     .lock, .owner      during training: the process that trains it (`claim.ts`)
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
  latencyTable: "latency.json",
  events: "events.jsonl",
  checkpoints: "checkpoints",
  network: "network.onnx",
  compact: "compact.onnx",
  int8: "compact-int8.onnx",
  certificate: "certificate.json",
  report: "report.html",
} as const;

/** Default folder for runs, relative to the working directory. */
export const DEFAULT_RUNS_FOLDER = "runs";

/** Number of names `<stem>-2`, `<stem>-3`, … to try. */
const MAXIMUM_NAMES = 10_000;

/** Files of a start that was killed before it had written `run.json`. */
const ofStart: readonly string[] = [
  runFiles.checkpoints,
  runFiles.events,
  runFiles.teacher,
  runFiles.latencyTable,
  runFiles.record,
  ".lock",
  ".owner",
];

/**
 * Whether a folder with the files `names` can be used for a new run: it has no run and no foreign files.
 */
export function isUnused(names: readonly string[]): boolean {
  const isOfStart = (name: string): boolean => ofStart.includes(name.replace(/\.\d+$/, ""));
  return names.every(isOfStart) && !names.includes(runFiles.record);
}

/**
 * Creates the folder of a new run. Also accepts an empty folder, and one with the files of a killed start.
 * @throws UserError "run-exists" if there is anything else at `path`.
 */
export async function createRunFolder(path: string): Promise<string> {
  const folder = resolve(path);
  if (await makeFolder(folder)) return folder;
  const names = await readdir(folder).catch((error) => {
    if (systemCode(error) !== "ENOTDIR") throw taken(path);
    throw new UserError("run-exists", "there is a file where the folder of the run should be", {
      about: path,
      hint: "Choose another folder",
    });
  });
  if (isUnused(names)) {
    await mkdir(join(folder, runFiles.checkpoints), { recursive: true });
    return folder;
  }
  throw taken(path);
}

/**
 * Checks again that `folder` has no run. Call it after locking, because two processes may have found it unused.
 * @throws UserError "run-exists".
 */
export async function requireUnused(folder: string): Promise<void> {
  if (!isUnused(await readdir(folder))) throw taken(folder);
}

function taken(path: string): UserError {
  return new UserError("run-exists", "a run of this name exists already", {
    about: path,
    hint: `Continue it with "espalier resume ${path}" (resume() in code), or choose another name`,
  });
}

/** Creates the folder of a new run in `parent`: `stem` or, if that exists, `stem-2`, `stem-3`, …. */
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

/** Returns false if `folder` exists. `mkdir` is atomic, so two processes never create the same folder. */
async function makeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(dirname(folder), { recursive: true });
    await mkdir(folder);
    await mkdir(join(folder, runFiles.checkpoints));
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw runFileError(error, folder, "Choose a folder that you may write to");
  }
}

/** A lock that was not renewed for this long belongs to a dead process. */
const STALE_MILLISECONDS = 5000;

/**
 * Locks `folder` against other processes until the returned function is called. It waits long enough for the lock of a
 * killed process to expire. `onLost` is called if the lock could not be renewed. `beforeRemoval` is called before the
 * lock is removed; it returns false if another process owns the folder now.
 * @throws UserError "run-exists" if another process trains the run.
 */
export async function lockRunFolder(
  folder: string,
  onLost: () => void,
  beforeRemoval: () => boolean = () => true,
): Promise<() => Promise<void>> {
  let isTaken = false;
  // `lock` also removes stale locks with these functions, before this process has its own.
  const mayRemove = (): boolean => !isTaken || beforeRemoval();
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
