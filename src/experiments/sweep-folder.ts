/**
 * The state of each run's folder in a sweep, and the check of these folders against the plan before any training.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { UserError } from "../core/errors.ts";
import { systemCode } from "../core/system-errors.ts";
import { historyOf } from "../report/history.ts";
import { baselineKindOf } from "../training/events/baseline-kinds.ts";
import { listCheckpoints } from "../training/run-folder/checkpoint-files.ts";
import { readEvents } from "../training/run-folder/event-log.ts";
import { runFileError } from "../training/run-folder/file-errors.ts";
import { isUnused, runFiles } from "../training/run-folder/run-folder.ts";
import { type RunRecord, readRunRecord } from "../training/run-folder/run-record.ts";
import { isOwnInBaseline, settledAtStart } from "./settings.ts";
import { readPlan, type SweepPlan, type SweepRun, settledSettings } from "./sweep-plan.ts";

/**
 * `new`: there is no run, or none that can be resumed. `stopped`: the run can be resumed. `diverged`: the run ended by
 * diverging and would diverge again.
 */
export type RunState = "new" | "stopped" | "finished" | "diverged";

/**
 * The state of `run` of `plan` in the sweep's `folder`; `model`: the network's name in `run.json`.
 * @throws UserError "run-exists" if its folder has anything else: a run with other settings, or other files.
 */
export async function stateOf(folder: string, plan: SweepPlan, run: SweepRun, model: string): Promise<RunState> {
  const path = join(folder, run.name);
  const names = await namesIn(path);
  if (names === undefined) return "new";
  if (!names.includes(runFiles.record)) {
    // These are the files of a start that was killed.
    if (isUnused(names)) return "new";
    throw new UserError("run-exists", "the folder is not empty and not a run", {
      about: path,
      hint: "Move it away, or choose another folder for the sweep",
    });
  }
  const record = await readRunRecord(path);
  const differences = differencesOf(record, plan, run, model);
  if (differences.length > 0) {
    throw new UserError("run-exists", "the folder has a run with other settings than this sweep", {
      about: path,
      list: differences,
      hint: "Choose another folder for the sweep with --out, or move this run away",
    });
  }
  if (!names.includes(runFiles.events) || (await listCheckpoints(path)).length === 0) return "new";
  const events = await readEvents(path);
  if (events.length === 0 || historyOf(events).finished === undefined) {
    return events.at(-1)?.type === "diverged" ? "diverged" : "stopped";
  }
  return "finished";
}

/** Removes the folder of a run that cannot be resumed. */
export async function clearRun(folder: string, { name }: SweepRun): Promise<void> {
  await rm(join(folder, name), { recursive: true, force: true });
}

/**
 * Whether `folder` has the sweep of `plan` already.
 * @throws UserError "run-exists" with the differences, if it has another sweep.
 */
export async function holdsPlan(folder: string, plan: SweepPlan): Promise<boolean> {
  let held: SweepPlan;
  try {
    held = await readPlan(folder);
  } catch (error) {
    if (error instanceof UserError && error.code === "missing-file") return false;
    throw error;
  }
  // Compares with all defaults: one plan may leave out a setting that another plan sets to its default.
  const settled = (one: SweepPlan): Fields => ({ ...one, settings: settledSettings(one.model, one.settings) });
  const differences = compare(settled(held), settled(plan));
  if (differences.length === 0) return true;
  throw new UserError("run-exists", "the folder has another sweep", {
    about: folder,
    list: differences,
    hint: `Continue that one with "espalier sweep ${folder}", or choose another folder with --out`,
  });
}

async function namesIn(path: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw runFileError(error, path);
  }
}

function differencesOf(record: RunRecord, plan: SweepPlan, run: SweepRun, model: string): string[] {
  const differences: string[] = [];
  const tell = (what: string, held: unknown, wanted: unknown): void => {
    differences.push(`${what}: ${shown(held)} in the folder, ${shown(wanted)} in the sweep`);
  };
  if (record.model !== model) tell("model", record.model, model);
  if (record.data.source !== plan.data) tell("data", record.data.source, plan.data);
  const held = record.controlOf && { run: record.controlOf.run, kind: baselineKindOf(record.controlOf) };
  const wanted = run.controlOf && { run: run.controlOf.name, kind: run.controlOf.kind };
  if (!isDeepStrictEqual(held, wanted)) tell("control of", held, wanted);
  const settings = settledSettings(plan.model, run.settings);
  // What the original answers decides this if the plan does not.
  const isDecided = (name: string): boolean => name === "distill" && run.settings.distill === undefined;
  const isLeftOut = (name: string): boolean =>
    settledAtStart.has(name) || isDecided(name) || (run.controlOf !== undefined && isOwnInBaseline(name));
  return [...differences, ...compare({ ...record.settings }, { ...settings }, isLeftOut)];
}

type Fields = Readonly<Record<string, unknown>>;

function compare(held: Fields, wanted: Fields, isLeftOut: (name: string) => boolean = () => false): string[] {
  return [...new Set([...Object.keys(held), ...Object.keys(wanted)])]
    .filter((name) => !isLeftOut(name) && !isDeepStrictEqual(plain(held[name]), plain(wanted[name])))
    .flatMap((name) => {
      const [own, other] = [fieldsOf(held[name]), fieldsOf(wanted[name])];
      if (own !== undefined && other !== undefined) return compare(own, other).map((line) => `${name}.${line}`);
      return [`${name}: ${shown(held[name])} in the folder, ${shown(wanted[name])} in the sweep`];
    });
}

/** The fields of `value` if it is an object and not a list. */
function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

/** `value` after a round trip through JSON. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function shown(value: unknown): string {
  return value === undefined ? "none" : JSON.stringify(value);
}
