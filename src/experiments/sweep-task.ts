/** One run of a sweep: what is left to do of it, and doing that. */
import { join } from "node:path";
import { EspalierError, InternalError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import type { DatasetReference } from "../data/references.ts";
import type { Cluster } from "../distributed/cluster.ts";
import { historyOf } from "../report/history.ts";
import { writeReport } from "../report/report.ts";
import { resume } from "../training/resume.ts";
import type { Run } from "../training/run.ts";
import { readEvents } from "../training/run-folder/event-log.ts";
import type { RunOptions } from "../training/run-scope.ts";
import type { OpenModel } from "../training/start/starting-network.ts";
import { train } from "../training/train.ts";
import { control, isUncut } from "./control.ts";
import { clearRun, type RunState } from "./sweep-folder.ts";
import type { SweepPlan, SweepRun } from "./sweep-plan.ts";
import type { SweepNews, SweepReport } from "./sweep-report.ts";

/** A run of a sweep, and how far its folder was when the sweep was begun or gone on with. */
export interface PlannedRun {
  readonly run: SweepRun;
  readonly state: RunState;
}

/** What all runs of a sweep have in common. */
export interface SweepGround {
  readonly plan: SweepPlan;
  /** The plan's; a file is read. */
  readonly model: OpenModel;
  /** Of the sweep. */
  readonly folder: string;
  readonly data: DatasetReference;
  readonly runs: readonly PlannedRun[];
}

interface Task extends PlannedRun {
  readonly ground: SweepGround;
  readonly hooks: RunOptions;
  /** The ranks that do the task together. */
  readonly cluster: Cluster;
  /** Of the runs that are over. */
  readonly reports: readonly SweepReport[];
  readonly tell: (news: SweepNews) => void;
}

/** The report of run `index`; `by`: the rank that has it to itself. */
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
    ...optional("by", by),
  };
}

/** What is known of a run without looking any further: that it is at its end, or comes to none. */
export function settledNews(
  { run, state }: PlannedRun,
  { folder }: SweepGround,
  reports: readonly SweepReport[],
): SweepNews | undefined {
  if (state === "finished") return { state: "done" };
  if (state === "diverged") {
    const reason = `it diverged, and would again; to repeat it, remove ${join(folder, run.name)}`;
    return { state: "failed", code: "diverged", reason };
  }
  const controlled = reports.find(({ name }) => name === run.controlOf?.name);
  return controlled?.state === "failed" ? { state: "left-out", reason: `${controlled.name} failed` } : undefined;
}

/**
 * Does what is left to do of a run, and tells of it. Its failure is news like any other.
 * @throws UserError "interrupted" once the signal is aborted; what fails on one of several ranks only.
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
    // What the other ranks do not know of has left them where nobody will meet them.
    if (!cluster.isTold) throw error;
    if (error instanceof EspalierError && error.code === "interrupted") throw error;
    const failure =
      error instanceof EspalierError
        ? error
        : new InternalError(error instanceof Error ? error.message : String(error), { cause: error });
    tell({ state: "failed", code: failure.code, reason: failure.message });
  }
}

/** Why the run is left out: it would be the control of one that lost nothing. */
async function leftOut({ run: { controlOf }, ground: { folder } }: Task): Promise<SweepNews | undefined> {
  if (controlOf === undefined) return undefined;
  const { finished } = historyOf(await readEvents(join(folder, controlOf.name)));
  if (finished === undefined || !isUncut(finished)) return undefined;
  return { state: "left-out", reason: `nothing was cut out of ${controlOf.name}` };
}

function start({ ground: { model, folder, data }, run, hooks }: Task, path: string): Promise<Run> {
  const { controlOf } = run;
  if (controlOf === undefined) return train(model, { ...run.settings, ...hooks, data, folder: path });
  return control(join(folder, controlOf.name), { ...hooks, same: controlOf.same, data, folder: path });
}
