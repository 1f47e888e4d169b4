/** Carries out one run of a sweep, or the part of it that is left. */
import { join } from "node:path";
import { EspalierError, InternalError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import type { DatasetReference } from "../data/references.ts";
import type { Cluster } from "../distributed/cluster.ts";
import { historyOf } from "../report/history.ts";
import { writeReport } from "../report/report.ts";
import type { Run } from "../training/finish/run.ts";
import { resume } from "../training/resume.ts";
import { readEvents } from "../training/run-folder/event-log.ts";
import type { RunOptions } from "../training/session/run-scope.ts";
import type { OpenModel } from "../training/start/starting-network.ts";
import { train } from "../training/train.ts";
import { control, isUncut } from "./control.ts";
import { clearRun, type RunState } from "./sweep-folder.ts";
import type { SweepPlan, SweepRun } from "./sweep-plan.ts";
import type { SweepNews, SweepReport } from "./sweep-report.ts";

/** A run of a sweep, and the state of its folder at the start of the sweep. */
export interface PlannedRun {
  readonly run: SweepRun;
  readonly state: RunState;
}

/** The data that all runs of a sweep share. */
export interface SweepGround {
  readonly plan: SweepPlan;
  /** The plan's model; a file is already read. */
  readonly model: OpenModel;
  /** Folder of the sweep. */
  readonly folder: string;
  readonly data: DatasetReference;
  readonly runs: readonly PlannedRun[];
}

interface Task extends PlannedRun {
  readonly ground: SweepGround;
  readonly hooks: RunOptions;
  /** The ranks that train the run together. */
  readonly cluster: Cluster;
  /** Reports of the finished runs. */
  readonly reports: readonly SweepReport[];
  readonly tell: (news: SweepNews) => void;
}

/** The report of run `index`; `by`: the rank that trains it alone. */
export function reportOf(
  { runs, folder }: SweepGround,
  index: number,
  news: SweepNews,
  by?: SweepReport["by"],
): SweepReport {
  const name = runs[index]?.run.name ?? "";
  return {
    type: "sweep.run",
    ...{ number: index + 1, runs: runs.length, name, folder: join(folder, name) },
    ...news,
    ...optional({ by }),
  };
}

/** The report of a run that needs no training: it is finished, it has diverged, or its run has failed. */
export function settledNews(
  { run, state }: PlannedRun,
  { folder }: SweepGround,
  reports: readonly SweepReport[],
): SweepNews | undefined {
  if (state === "finished") return { state: "done" };
  if (state === "diverged") {
    const reason = `the run has diverged and would diverge again; to repeat it, remove ${join(folder, run.name)}`;
    return { state: "failed", code: "diverged", reason };
  }
  const controlled = reports.find(({ name }) => name === run.controlOf?.name);
  return controlled?.state === "failed" ? { state: "left-out", reason: `${controlled.name} failed` } : undefined;
}

/**
 * Trains a run, or the part of it that is left, and reports it. Its errors are reported, not thrown.
 * @throws UserError "interrupted" once the signal is aborted; errors of only one of several ranks.
 */
export async function carryOut(task: Task): Promise<void> {
  const { run, state, ground, reports, cluster, hooks, tell } = task;
  const { folder, data } = ground;
  const path = join(folder, run.name);
  try {
    const settled = await cluster.onFirst(async () => settledNews(task, ground, reports) ?? leftOut(task));
    if (settled !== undefined) return tell(settled);
    tell({ state: state === "stopped" ? "resuming" : "starting" });
    await cluster.onFirst(async () => {
      if (state === "new") await clearRun(folder, run);
    });
    const { folder: trained } = state === "stopped" ? await resume(path, { ...hooks, data }) : await start(task, path);
    await cluster.onFirst(() => writeReport(trained));
    tell({ state: "finished" });
  } catch (error) {
    // The other ranks do not know of this error and would wait forever, so it must end the sweep.
    if (!cluster.isTold) throw error;
    if (error instanceof EspalierError && error.code === "interrupted") throw error;
    const failure =
      error instanceof EspalierError
        ? error
        : new InternalError(error instanceof Error ? error.message : String(error), { cause: error });
    tell({ state: "failed", code: failure.code, reason: failure.message });
  }
}

/** The report of a from-scratch baseline that is left out because its run pruned nothing. */
async function leftOut({ run: { controlOf }, ground: { folder } }: Task): Promise<SweepNews | undefined> {
  if (controlOf === undefined) return undefined;
  const { finished } = historyOf(await readEvents(join(folder, controlOf.name)));
  if (finished === undefined || !isUncut(finished)) return undefined;
  return { state: "left-out", reason: `nothing was cut out of ${controlOf.name}` };
}

function start({ ground: { model, folder, data }, run, hooks }: Task, path: string): Promise<Run> {
  const { controlOf } = run;
  if (controlOf === undefined) return train(model, { ...run.settings, ...hooks, data, folder: path });
  return control(join(folder, controlOf.name), { ...hooks, kind: controlOf.kind, data, folder: path });
}
