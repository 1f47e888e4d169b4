/**
 * What of a sweep is done already: the state of each run's folder, checked against the plan before anything is
 * trained.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { UserError } from "../core/errors.ts";
import { systemCode } from "../core/system-errors.ts";
import { historyOf } from "../report/history.ts";
import { listCheckpoints } from "../training/run-folder/checkpoint-files.ts";
import { readEvents } from "../training/run-folder/event-log.ts";
import { runFileError } from "../training/run-folder/file-errors.ts";
import { isUnused, runFiles } from "../training/run-folder/run-folder.ts";
import { type RunRecord, readRunRecord } from "../training/run-folder/run-record.ts";
import { isOwnOfControl, settledAtStart } from "./settings.ts";
import { readPlan, type SweepPlan, type SweepRun, settledSettings } from "./sweep-plan.ts";

/**
 * `new`: nothing is there, or nothing that could be gone on from; `stopped`: to be resumed; `diverged`: at its end,
 * and it would come to the same again.
 */
export type RunState = "new" | "stopped" | "finished" | "diverged";

/**
 * How far `run` of `plan` is in the sweep's `folder`; `model`: the name of the network, as records hold it.
 * @throws UserError "run-exists" if its folder holds something else: another recipe's run, or no run at all.
 */
export async function stateOf(folder: string, plan: SweepPlan, run: SweepRun, model: string): Promise<RunState> {
  const path = join(folder, run.name);
  const names = await namesIn(path);
  if (names === undefined) return "new";
  if (!names.includes(runFiles.record)) {
    // A process that was killed at once leaves no more than this.
    if (isUnused(names)) return "new";
    throw new UserError("run-exists", "what is in the folder is no run", {
      about: path,
      hint: "Move it away, or choose another folder for the sweep",
    });
  }
  const record = await readRunRecord(path);
  const differences = differencesOf(record, plan, run, model);
  if (differences.length > 0) {
    throw new UserError("run-exists", "the folder holds a run that this sweep would not have made", {
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

/** Takes away what a run left that cannot be gone on with. */
export async function clearRun(folder: string, { name }: SweepRun): Promise<void> {
  await rm(join(folder, name), { recursive: true, force: true });
}

/**
 * Whether `folder` has the sweep of `plan` already.
 * @throws UserError "run-exists" if it has another one, with what differs.
 */
export async function holdsPlan(folder: string, plan: SweepPlan): Promise<boolean> {
  let held: SweepPlan;
  try {
    held = await readPlan(folder);
  } catch (error) {
    if (error instanceof UserError && error.code === "missing-file") return false;
    throw error;
  }
  // A plan says no more than it has to: what it leaves out has the default, which another plan may name.
  const settled = (one: SweepPlan): Fields => ({ ...one, settings: settledSettings(one.model, one.settings) });
  const differences = compare(settled(held), settled(plan));
  if (differences.length === 0) return true;
  throw new UserError("run-exists", "the folder holds another sweep", {
    about: folder,
    list: differences,
    hint: `Go on with it by "espalier sweep ${folder}", or choose another folder with --out`,
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
  const held = record.controlOf && { run: record.controlOf.run, same: record.controlOf.same };
  const wanted = run.controlOf && { run: run.controlOf.name, same: run.controlOf.same };
  if (!isDeepStrictEqual(held, wanted)) tell("control of", held, wanted);
  const settings = settledSettings(plan.model, run.settings);
  const isLeftOut = (name: string): boolean =>
    settledAtStart.has(name) || (run.controlOf !== undefined && isOwnOfControl(name));
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

/** What `value` is made of, if it is that and no list. */
function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

/** As JSON would hold it. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function shown(value: unknown): string {
  return value === undefined ? "none" : JSON.stringify(value);
}
