/**
 * A sweep: the runs of a plan in turn, each in a folder of its own. Started again, it goes on where it stopped: finished runs
 * are passed over, a stopped one is resumed. A run that fails is told of, and the others go on.
 */
import { basename, join, resolve } from "node:path";
import { aboutPart, EspalierError, InternalError, UserError } from "../core/errors.ts";
import type { Dataset } from "../data/dataset.ts";
import type { ImageFileOptions } from "../data/images/open.ts";
import { stepsPerEpoch } from "../data/order.ts";
import { type DatasetReference, datasetReference } from "../data/references.ts";
import { historyOf } from "../report/history.ts";
import { writeReport } from "../report/report.ts";
import { readEvents } from "../training/event-log.ts";
import { bringsWeights, requireWeights } from "../training/fine-tuning.ts";
import type { JournalOptions } from "../training/journal.ts";
import { resume } from "../training/resume.ts";
import type { Run } from "../training/run.ts";
import { openData } from "../training/run-data.ts";
import { DEFAULT_RUNS_FOLDER, lockRunFolder } from "../training/run-folder.ts";
import { inputOf, startingNetwork } from "../training/starting-network.ts";
import { train } from "../training/train.ts";
import { control, isUncut } from "./control.ts";
import { clearRun, holdsPlan, type RunState, stateOf } from "./sweep-folder.ts";
import { runsOf, type SweepPlan, type SweepRun, settledSettings, writePlan } from "./sweep-plan.ts";

/** What became of a run, or is about to. */
export interface SweepReport {
  readonly type: "sweep.run";
  /** Counted from 1. */
  readonly number: number;
  readonly runs: number;
  readonly name: string;
  readonly folder: string;
  /**
   * `starting` and `resuming`: its own events follow; `finished`: it has come to its end now, `done` had before; `left-out`: a
   * control of a run that lost nothing or failed.
   */
  readonly state: "starting" | "resuming" | "finished" | "done" | "left-out" | "failed";
  /** Why it failed or was left out. */
  readonly reason?: string;
  /** Code of the error, for a run that failed. */
  readonly code?: string;
}

export interface SweepOptions extends JournalOptions {
  /** Default `runs/<model>-<data>-sweep`. */
  readonly folder?: string;
  /** The data, where it is open already; default: what the plan names. */
  readonly data?: DatasetReference;
  /** Hears of each run before and after it; `onEvent` of what happens in it. */
  readonly onRun?: (report: SweepReport) => void;
}

export interface SweepResult {
  /** Absolute. */
  readonly folder: string;
  /** The last report of each run. */
  readonly reports: readonly SweepReport[];
}

/** Where the sweep of `plan` is kept unless a caller says otherwise, relative to the working directory. */
export function sweepFolder({ model, data }: SweepPlan): string {
  const stem = `${basename(model).replace(/\.onnx$/i, "")}-${basename(data)}-sweep`;
  return join(DEFAULT_RUNS_FOLDER, stem.replaceAll(/[^\w.-]+/g, "-"));
}

/**
 * Trains all runs of `plan` that are not finished yet. Everything is checked first: settings, structures and data of every
 * point, and that each folder that is there holds the run that the plan would make.
 *
 * @throws UserError before any training: "run-exists" if the folder has another sweep or a run of other settings, and what
 * `train` throws of its options; "interrupted" once the signal is aborted. A run's own failure is in the result.
 */
export async function sweep(plan: SweepPlan, options: SweepOptions = {}): Promise<SweepResult> {
  const { data = datasetReference(plan.data, imagesOf(plan)), onRun, folder: chosen, ...hooks } = options;
  const folder = resolve(chosen ?? sweepFolder(plan));
  const dataset = await data.open(await inputOf(plan.model));
  const model = await requirePoints(plan, dataset);
  const isHeld = await holdsPlan(folder, plan);
  const states = await statesOf(folder, plan, model);
  if (!isHeld) await writePlan(folder, plan);
  const unlock = await lockRunFolder(folder, () => {});
  try {
    const opened: DatasetReference = { spec: plan.data, open: async () => dataset };
    const reports: SweepReport[] = [];
    for (const [index, { run, state }] of states.entries()) {
      const tell = (told: Pick<SweepReport, "state" | "reason" | "code">): SweepReport => {
        const path = join(folder, run.name);
        const report = {
          type: "sweep.run",
          number: index + 1,
          runs: states.length,
          name: run.name,
          folder: path,
          ...told,
        } as const;
        onRun?.(report);
        return report;
      };
      reports.push(await carryOut({ plan, run, state, folder, data: opened, hooks, reports, tell }));
    }
    return { folder, reports };
  } finally {
    await unlock();
  }
}

/** How the data are opened, beside their name. */
export function imagesOf({ images }: SweepPlan): { readonly images?: ImageFileOptions } {
  return images === undefined ? {} : { images };
}

async function statesOf(
  folder: string,
  plan: SweepPlan,
  model: string,
): Promise<readonly { readonly run: SweepRun; readonly state: RunState }[]> {
  return Promise.all(runsOf(plan).map(async (run) => ({ run, state: await stateOf(folder, plan, run, model) })));
}

/** Places the factors of every point, as its runs will; returns the network's name. */
async function requirePoints(plan: SweepPlan, dataset: Dataset): Promise<string> {
  let name = "";
  for (const point of plan.points) {
    const input = { ...plan.settings, ...point.settings };
    try {
      const settings = settledSettings(plan.model, input);
      requireWeights(settings, bringsWeights(plan.model) && !settings.fromScratch);
      const { dataset: limited } = await openData(Promise.resolve(dataset), settings.limit, undefined);
      stepsPerEpoch(limited.train.count, settings.batch);
      name = (await startingNetwork(plan.model, limited, settings)).network.graph.name;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw aboutPart(error, `point "${point.name}" of the sweep`);
    }
  }
  return name;
}

interface Task {
  readonly plan: SweepPlan;
  readonly run: SweepRun;
  readonly state: RunState;
  /** Of the sweep. */
  readonly folder: string;
  readonly data: DatasetReference;
  readonly hooks: JournalOptions;
  /** Of the runs before it. */
  readonly reports: readonly SweepReport[];
  readonly tell: (told: Pick<SweepReport, "state" | "reason" | "code">) => SweepReport;
}

/** Does what is left to do of a run, and says what became of it. */
async function carryOut(task: Task): Promise<SweepReport> {
  const { run, state, folder, reports, tell, data, hooks } = task;
  const path = join(folder, run.name);
  if (state === "finished") return tell({ state: "done" });
  if (state === "diverged") {
    return tell({
      state: "failed",
      code: "diverged",
      reason: `it diverged, and would again; to repeat it, remove ${path}`,
    });
  }
  const controlled = reports.find(({ name }) => name === run.controlOf?.name);
  if (controlled?.state === "failed") return tell({ state: "left-out", reason: `${controlled.name} failed` });
  if (controlled !== undefined && (await lostNothing(controlled.folder))) {
    return tell({ state: "left-out", reason: `nothing was cut out of ${controlled.name}` });
  }
  try {
    tell({ state: state === "stopped" ? "resuming" : "starting" });
    if (state === "new") await clearRun(folder, run);
    const { folder: trained } = state === "stopped" ? await resume(path, { ...hooks, data }) : await start(task, path);
    await writeReport(trained);
    return tell({ state: "finished" });
  } catch (error) {
    if (error instanceof EspalierError && error.code === "interrupted") throw error;
    const failure =
      error instanceof EspalierError
        ? error
        : new InternalError(error instanceof Error ? error.message : String(error), { cause: error });
    return tell({ state: "failed", code: failure.code, reason: failure.message });
  }
}

async function lostNothing(folder: string): Promise<boolean> {
  const { finished } = historyOf(await readEvents(folder));
  return finished !== undefined && isUncut(finished);
}

function start({ plan, run, folder, data, hooks }: Task, path: string): Promise<Run> {
  const { controlOf } = run;
  if (controlOf === undefined) return train(plan.model, { ...run.settings, ...hooks, data, folder: path });
  return control(join(folder, controlOf.name), { ...hooks, same: controlOf.same, data, folder: path });
}
