/**
 * Checkpoints: states a run can go on from, each a folder `checkpoints/step-000123/` with
 *
 *     network.onnx            weights, statistics and factors; opens in any ONNX viewer
 *     optimizer.safetensors   velocities, and how long factors have been held at zero
 *     state.json              step, what the epoch has summed up so far, what was cut, chosen kernels, what each hook
 *                             remembers, what the run was asked for (`seal.ts`), sha256 of the other two and of itself
 *
 * Networks are whole, whatever was cut while training: what goes on is made of the network and the cuts.
 *
 * A checkpoint is written under another name and renamed when it is whole; the last two are kept. One of the same step
 * makes room under a third name, so that there is always one to go on from. Reading checks every byte, so a damaged
 * checkpoint is never trained on.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { EspalierError, statementOf, UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { systemCode } from "../../core/system-errors.ts";
import { digestOf } from "../../data/files.ts";
import type { KernelChoices } from "../../engine/engine.ts";
import { loadOnnx, saveOnnx } from "../../formats/onnx/index.ts";
import { loadSafetensors, saveSafetensors } from "../../formats/safetensors.ts";
import type { Network } from "../../graph/graph.ts";
import { type CutStep, cutStepSchema } from "../../pruning/cut-list.ts";
import type { EpochSums, Json } from "../hooks/run-hook.ts";
import { namedState, type OptimizerState, stateOfNames } from "../network/full-size-state.ts";
import { type Owner, requireOwner } from "./claim.ts";
import { runFileError } from "./file-errors.ts";
import { runFiles } from "./run-folder.ts";
import { type Seal, sealSchema } from "./seal.ts";

export interface Progress {
  /** Steps done. */
  readonly step: number;
  /** Of the epoch under way; all zero at its start. */
  readonly sums: EpochSums;
  /** Kernels of each plan, repeated so that the run continues bit for bit. */
  readonly choices: {
    readonly training: KernelChoices;
    readonly evaluation: KernelChoices;
    readonly teacher?: KernelChoices;
  };
  /** What was cut out of the network while it was trained. */
  readonly cuts: readonly CutStep[];
  /** Whether training ended with this step, before the run's last; default false. */
  readonly isEnded?: boolean;
}

export interface Checkpoint {
  readonly progress: Progress;
  /** With factors, as placed. */
  readonly network: Network;
  /** Of every parameter that is still trained. */
  readonly optimizer: OptimizerState;
  /** What hooks and the γ policy remember, by their names. */
  readonly hooks: Readonly<Record<string, Json>>;
  /** Of the run's record; missing in checkpoints of older versions. */
  readonly seal?: Seal;
}

const files = { network: "network.onnx", optimizer: "optimizer.safetensors", state: "state.json" } as const;
const KEPT = 2;
const checkpointName = /^step-(\d{6,})$/;
/** Names while one is written: of what is not whole yet, and of what it takes the place of. */
const unfinishedName = /^step-\d{6,}\.unfinished/;
const replaced = ".replaced";

const choices = z.record(z.string(), z.string());
const progress = {
  step: z.int().nonnegative(),
  sums: z.strictObject({
    steps: z.int().nonnegative(),
    loss: z.number(),
    correct: z.number(),
    milliseconds: z.number(),
  }),
  choices: z.strictObject({ training: choices, evaluation: choices, teacher: choices.exactOptional() }),
  // Left out while there are none.
  cuts: z.array(cutStepSchema).exactOptional(),
};
const rest = {
  seal: sealSchema.exactOptional(),
  sha256: z.strictObject({ [files.network]: z.string(), [files.optimizer]: z.string() }),
};
/** Of runs whose only hook with a state was the budget, which stood with the progress. */
const version1 = z.strictObject({
  version: z.literal(1),
  progress: z.strictObject({ ...progress, budget: z.json().exactOptional() }),
  ...rest,
});
const version2 = z.strictObject({
  version: z.literal(2),
  progress: z.strictObject({ ...progress, isEnded: z.boolean().exactOptional() }),
  hooks: z.record(z.string(), z.json()),
  ...rest,
});
const body = z.discriminatedUnion("version", [version1, version2]);
type Body = z.infer<typeof version2>;
const state = z.strictObject({ body, sha256: z.string() });

/** `content` as this version writes it. */
function asVersion2(content: z.infer<typeof body>): Body {
  if (content.version === 2) return content;
  const { budget, ...others } = content.progress;
  return { ...content, version: 2, progress: others, hooks: budget === undefined ? {} : { budget } };
}

/** Name of the checkpoint after `step` steps, relative to the run folder. */
export function checkpointPath(step: number): string {
  return `${runFiles.checkpoints}/step-${String(step).padStart(6, "0")}`;
}

/**
 * Writes `checkpoint` into the run `folder` and removes all but the last two. As `owner`, only while the folder is that
 * one's.
 * @returns its size in bytes.
 * @throws UserError "no-disk-space", "bad-file" or "run-lost"; the checkpoints before it stay.
 */
export async function writeCheckpoint(folder: string, checkpoint: Checkpoint, owner?: Owner): Promise<number> {
  const path = join(folder, checkpointPath(checkpoint.progress.step));
  // No two sessions write into the same one.
  const unfinished = `${path}.unfinished${owner === undefined ? "" : `-${owner.slice(0, 8)}`}`;
  try {
    await rm(unfinished, { recursive: true, force: true });
    // Not those above it: a folder that was moved away must not come to life again.
    await mkdir(unfinished);
    const at = (file: keyof typeof files): string => join(unfinished, files[file]);
    await saveOnnx(checkpoint.network, at("network"));
    await saveSafetensors(namedState(checkpoint.optimizer), at("optimizer"));
    // Parsed, so that its keys stand in the schema's order, as they will when it is read.
    const content = version2.parse({
      version: 2,
      progress: checkpoint.progress.cuts.length > 0 ? checkpoint.progress : withoutCuts(checkpoint.progress),
      hooks: checkpoint.hooks,
      ...optional("seal", checkpoint.seal),
      sha256: {
        [files.network]: await digestOf(at("network"), "sha256", "hex"),
        [files.optimizer]: await digestOf(at("optimizer"), "sha256", "hex"),
      },
    });
    const whole: z.infer<typeof state> = { body: content, sha256: digestOfBody(content) };
    await writeFileAtomic(at("state"), `${JSON.stringify(whole, undefined, 2)}\n`);
    if (owner !== undefined) requireOwner(folder, owner);
    await putInPlace(unfinished, path);
    await removeOld(folder);
    return await sizeOf(path);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw runFileError(error, path, "The checkpoints written before it are still there");
  }
}

/** One of the same step, which is of the same state, for a run is repeatable, is there until the new one is. */
async function putInPlace(unfinished: string, path: string): Promise<void> {
  const before = `${path}${replaced}`;
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
 * Removes what a process left half written that was killed in the run `folder`, and puts a checkpoint back that it was
 * replacing. Nobody may be training the run.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  const path = join(folder, runFiles.checkpoints);
  try {
    for (const name of await readdir(path)) {
      const whole = join(path, name.slice(0, -replaced.length));
      if (unfinishedName.test(name)) await rm(join(path, name), { recursive: true, force: true });
      else if (name.endsWith(replaced)) await restore(join(path, name), whole);
    }
    // Files are written under their names with a number behind, and renamed when they are whole.
    const isHalf = (name: string): boolean =>
      Object.values(runFiles).some((file) => name.startsWith(file) && /^\.\d+$/.test(name.slice(file.length)));
    for (const name of (await readdir(folder)).filter(isHalf)) await rm(join(folder, name), { force: true });
  } catch (error) {
    throw runFileError(error, path, "Is this the folder of a run?");
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
    throw runFileError(error, path, "Is this the folder of a run?");
  }
}

/**
 * Reads the checkpoint after `step` steps.
 * @throws UserError "bad-checkpoint" naming the file that is missing, cut short, altered or not of finite numbers.
 */
export async function readCheckpoint(folder: string, step: number): Promise<Checkpoint> {
  const path = join(folder, checkpointPath(step));
  const { progress, hooks, sha256, seal } = await readState(join(path, files.state));
  for (const file of [files.network, files.optimizer]) await checkDigest(join(path, file), sha256[file]);
  return {
    progress: { ...progress, cuts: progress.cuts ?? [] },
    hooks,
    network: await readPart(join(path, files.network), loadOnnx),
    optimizer: stateOfNames(await readPart(join(path, files.optimizer), loadSafetensors)),
    ...optional("seal", seal),
  };
}

/**
 * The latest checkpoint of the run `folder` that is whole. Damaged ones on the way are renamed to `<name>.damaged`, so
 * that they do not count among those that are kept, and `onDamaged` hears of them.
 * @throws UserError "bad-checkpoint" if none is whole.
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
      await setAside(join(folder, checkpointPath(step)));
      onDamaged(error);
    }
  }
  throw new UserError("bad-checkpoint", "the run has no checkpoint to go on from", {
    about: join(folder, runFiles.checkpoints),
    hint: "Train it again under another name",
    cause: last,
  });
}

function withoutCuts({ cuts: _, ...others }: Progress): Omit<Progress, "cuts"> {
  return others;
}

async function setAside(path: string): Promise<void> {
  await rm(`${path}.damaged`, { recursive: true, force: true });
  await rename(path, `${path}.damaged`);
}

/** A file that was written whole, and still cannot be gone on from: its numbers are none. */
async function readPart<T>(path: string, read: (path: string) => Promise<T>): Promise<T> {
  try {
    return await read(path);
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== "bad-file") throw error;
    throw damaged(path, statementOf(error), error);
  }
}

function damaged(path: string, what: string, cause?: unknown): UserError {
  const hint = "The checkpoint before it is taken if it is sound; otherwise train the run again";
  return new UserError("bad-checkpoint", what, { about: path, hint, cause });
}

async function readState(path: string): Promise<Body> {
  let whole: z.infer<typeof state>;
  try {
    whole = state.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    throw damaged(path, "the state of the checkpoint is missing or damaged", cause);
  }
  if (digestOfBody(whole.body) !== whole.sha256) throw damaged(path, "the state of the checkpoint was altered");
  return asVersion2(whole.body);
}

async function checkDigest(path: string, expected: string): Promise<void> {
  let found: string;
  try {
    found = await digestOf(path, "sha256", "hex");
  } catch (cause) {
    throw damaged(path, "a file of the checkpoint is missing", cause);
  }
  if (found !== expected) throw damaged(path, "a file of the checkpoint is cut short or altered");
}

function digestOfBody(content: z.infer<typeof body>): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

async function removeOld(folder: string): Promise<void> {
  for (const step of (await listCheckpoints(folder)).slice(KEPT)) {
    await rm(join(folder, checkpointPath(step)), { recursive: true, force: true });
  }
}

async function sizeOf(path: string): Promise<number> {
  const sizes = await Promise.all(Object.values(files).map(async (file) => (await stat(join(path, file))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
