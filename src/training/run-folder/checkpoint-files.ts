/**
 * Checkpoints: states from which a run can continue. Each is a folder `checkpoints/step-000123/` with
 *
 *     network.onnx            weights, statistics and factors; opens in any ONNX viewer
 *     optimizer.safetensors   velocities, the number of steps that factors have been zero, and averaged weights
 *     state.json              step, sums of the epoch so far, cuts, kernel choices, state of each hook, hashes of the
 *                             settings (`seal.ts`), sha256 of the other two files and of itself
 *
 * A checkpoint has the full network, also after cuts: a resumed run applies the cuts to it again.
 *
 * A checkpoint is written under a temporary name and renamed when it is complete. The last two are kept. A checkpoint
 * of the same step is renamed first and removed afterwards, so that there is always a complete one. Reading checks
 * every byte, so a damaged checkpoint is never used.
 */
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { EspalierError, statementOf, UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { systemCode } from "../../core/system-errors.ts";
import { digestOf } from "../../data/files.ts";
import { loadOnnx, saveOnnx } from "../../formats/onnx/index.ts";
import { loadSafetensors, saveSafetensors } from "../../formats/safetensors.ts";
import type { Network } from "../../graph/graph.ts";
import { namedState, type OptimizerState, stateOfNames } from "../network/full-size-state.ts";
import { type CheckpointState, checkpointFiles as files, formatState, parseState } from "./checkpoint-state.ts";
import { type Owner, requireOwner } from "./claim.ts";
import { runFileError } from "./file-errors.ts";
import { runFiles } from "./run-folder.ts";

export interface Checkpoint extends Pick<CheckpointState, "progress" | "hooks" | "seal"> {
  /** The full network with its factors. */
  readonly network: Network;
  /** State for every parameter that is not cut. */
  readonly optimizer: OptimizerState;
}

/** Older checkpoints are removed. */
const KEPT_CHECKPOINTS = 2;
const WITHOUT_CHECKPOINTS = "A run cannot continue without its checkpoints: train it again under another name";
const checkpointName = /^step-(\d{6,})$/;
/** Temporary names: of an incomplete checkpoint, and of the one that it replaces. */
const unfinishedName = /^step-\d{6,}\.unfinished/;
const REPLACED = ".replaced";

/** Path of the checkpoint after `step` steps, relative to the run folder. */
export function checkpointPath(step: number): string {
  return `${runFiles.checkpoints}/step-${String(step).padStart(6, "0")}`;
}

/**
 * Writes `checkpoint` into the run `folder` and removes all but the last two. With an `owner`, it checks first that the
 * folder still belongs to that owner.
 * @returns its size in bytes.
 * @throws UserError "no-disk-space", "bad-file" or "run-lost"; earlier checkpoints stay.
 */
export async function writeCheckpoint(folder: string, checkpoint: Checkpoint, owner?: Owner): Promise<number> {
  const path = join(folder, checkpointPath(checkpoint.progress.step));
  // A name of its own, so that two sessions never write into the same folder.
  const unfinished = `${path}.unfinished${owner === undefined ? "" : `-${owner.slice(0, 8)}`}`;
  try {
    await rm(unfinished, { recursive: true, force: true });
    // Not recursive: it must not create the folder of a run again that was moved away.
    await mkdir(unfinished);
    const at = (file: keyof typeof files): string => join(unfinished, files[file]);
    await saveOnnx(checkpoint.network, at("network"));
    await saveSafetensors(namedState(checkpoint.optimizer), at("optimizer"));
    const { progress, hooks, seal } = checkpoint;
    const sha256 = {
      [files.network]: await digestOf(at("network"), "sha256", "hex"),
      [files.optimizer]: await digestOf(at("optimizer"), "sha256", "hex"),
    };
    await writeFileAtomic(at("state"), formatState({ progress, hooks, ...optional({ seal }), sha256 }));
    if (owner !== undefined) requireOwner(folder, owner);
    await putInPlace(unfinished, path);
    await removeOld(folder);
    return await sizeOf(path);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw runFileError(error, path, "Earlier checkpoints are still there");
  }
}

/** Renames the new checkpoint. An old one of the same step stays until then: it is as good, as runs are repeatable. */
async function putInPlace(unfinished: string, path: string): Promise<void> {
  const before = `${path}${REPLACED}`;
  await rm(before, { recursive: true, force: true });
  try {
    await rename(path, before);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  }
  try {
    await rename(unfinished, path);
  } catch (error) {
    await restore(before, path);
    throw error;
  }
  await rm(before, { recursive: true, force: true });
}

/**
 * Removes incomplete files of a process that was killed, and restores a checkpoint that it was replacing. No process
 * may be training the run.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  const path = join(folder, runFiles.checkpoints);
  try {
    for (const name of await readdir(path)) {
      const whole = join(path, name.slice(0, -REPLACED.length));
      if (unfinishedName.test(name)) await rm(join(path, name), { recursive: true, force: true });
      else if (name.endsWith(REPLACED)) await restore(join(path, name), whole);
    }
    // A file in progress has its name with a number appended, and is renamed when it is complete.
    const isHalf = (name: string): boolean =>
      Object.values(runFiles).some((file) => name.startsWith(file) && /^\.\d+$/.test(name.slice(file.length)));
    for (const name of (await readdir(folder)).filter(isHalf)) await rm(join(folder, name), { force: true });
  } catch (error) {
    throw runFileError(error, path, WITHOUT_CHECKPOINTS);
  }
}

async function restore(before: string, path: string): Promise<void> {
  try {
    await rename(before, path);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT") return;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
    await rm(before, { recursive: true, force: true });
  }
}

/** Steps of the checkpoints in the run `folder`, the latest first. */
export async function listCheckpoints(folder: string): Promise<number[]> {
  const path = join(folder, runFiles.checkpoints);
  try {
    const steps = (await readdir(path)).map((name) => Number(checkpointName.exec(name)?.[1] ?? Number.NaN));
    return steps.filter((step) => !Number.isNaN(step)).toSorted((a, b) => b - a);
  } catch (error) {
    throw runFileError(error, path, WITHOUT_CHECKPOINTS);
  }
}

/**
 * Reads the checkpoint after `step` steps.
 * @throws UserError "bad-checkpoint" with the file that is missing, truncated, changed or has values that are not
 * finite.
 */
export async function readCheckpoint(folder: string, step: number): Promise<Checkpoint> {
  const path = join(folder, checkpointPath(step));
  const { progress, hooks, sha256, seal } = await readState(join(path, files.state));
  for (const file of [files.network, files.optimizer]) await checkDigest(join(path, file), sha256[file]);
  return {
    ...{ progress, hooks },
    network: await readPart(join(path, files.network), loadOnnx),
    optimizer: stateOfNames(await readPart(join(path, files.optimizer), loadSafetensors)),
    ...optional({ seal }),
  };
}

/**
 * Reads the latest undamaged checkpoint of the run `folder`. Damaged ones that are newer are renamed to
 * `<name>.damaged`, so that they do not count as kept ones, and passed to `onDamaged`.
 * @throws UserError "bad-checkpoint" if all are damaged.
 */
export async function readLatestCheckpoint(
  folder: string,
  onDamaged: (error: EspalierError) => void,
): Promise<Checkpoint> {
  let last: EspalierError | undefined;
  for (const step of await listCheckpoints(folder)) {
    try {
      return await readCheckpoint(folder, step);
    } catch (error) {
      if (!(error instanceof EspalierError) || error.code !== "bad-checkpoint") throw error;
      last = error;
      await renameDamaged(join(folder, checkpointPath(step)));
      onDamaged(error);
    }
  }
  throw new UserError("bad-checkpoint", "the run has no undamaged checkpoint", {
    about: join(folder, runFiles.checkpoints),
    hint: "Train it again under another name",
    cause: last,
  });
}

async function renameDamaged(path: string): Promise<void> {
  await rm(`${path}.damaged`, { recursive: true, force: true });
  await rename(path, `${path}.damaged`);
}

/** Reads a file whose hash is right. It may still be unusable, for example with values that are not finite. */
async function readPart<T>(path: string, read: (path: string) => Promise<T>): Promise<T> {
  try {
    return await read(path);
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== "bad-file") throw error;
    throw damaged(path, statementOf(error), error);
  }
}

function damaged(path: string, what: string, cause?: unknown): UserError {
  const hint = "The run continues from an earlier checkpoint if that is undamaged; otherwise train it again";
  return new UserError("bad-checkpoint", what, { about: path, hint, cause });
}

async function readState(path: string): Promise<CheckpointState> {
  let found: ReturnType<typeof parseState>;
  try {
    found = parseState(await readFile(path, "utf8"));
  } catch (cause) {
    throw damaged(path, "the state of the checkpoint is missing or damaged", cause);
  }
  if (!found.isIntact) throw damaged(path, "the state of the checkpoint was changed");
  return found.state;
}

async function checkDigest(path: string, expected: string): Promise<void> {
  let found: string;
  try {
    found = await digestOf(path, "sha256", "hex");
  } catch (cause) {
    throw damaged(path, "a file of the checkpoint is missing", cause);
  }
  if (found !== expected) throw damaged(path, "a file of the checkpoint is truncated or changed");
}

async function removeOld(folder: string): Promise<void> {
  for (const step of (await listCheckpoints(folder)).slice(KEPT_CHECKPOINTS)) {
    await rm(join(folder, checkpointPath(step)), { recursive: true, force: true });
  }
}

async function sizeOf(path: string): Promise<number> {
  const sizes = await Promise.all(Object.values(files).map(async (file) => (await stat(join(path, file))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
