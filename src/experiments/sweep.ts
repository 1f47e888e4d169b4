/**
 * A sweep: the runs of a plan, each in a folder of its own, trained in turn or distributed over ranks. A sweep that is
 * started again skips finished runs and resumes stopped ones. A run that fails is reported, and the other runs
 * continue.
 */

import { basename, join, resolve } from "node:path";
import { requireArguments } from "../core/arguments.ts";
import { aboutPart, required, UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import type { Dataset } from "../data/dataset.ts";
import type { ImageFileOptions } from "../data/images/open.ts";
import { type DatasetReference, datasetReference } from "../data/references.ts";
import { stepsPerEpoch } from "../data/shuffle.ts";
import { type Cluster, inCluster } from "../distributed/cluster.ts";
import { joinCluster } from "../distributed/join.ts";
import { SingleProcess } from "../distributed/single-process.ts";
import type { Network } from "../graph/graph.ts";
import { requireWindow } from "../training/gamma/gamma-schedule.ts";
import { requireReachable } from "../training/gamma/reachable-budget.ts";
import { requireBodyEpochs } from "../training/learning-rate/head-phase.ts";
import { imagesPerMicroBatch } from "../training/network/micro-batches.ts";
import { partOfBatch } from "../training/ranks/parts.ts";
import { DEFAULT_RUNS_FOLDER, lockRunFolder } from "../training/run-folder/run-folder.ts";
import { hashData, hashWeights } from "../training/run-folder/run-record.ts";
import { tableOptionsOf } from "../training/settings/tasks.ts";
import { openData } from "../training/start/data/run-data.ts";
import { bringsWeights, requireOneTarget, requireWeights } from "../training/start/fine-tuning.ts";
import { requireHead } from "../training/start/head/head.ts";
import { latencyTableFor } from "../training/start/latency-table.ts";
import {
  inputOf,
  nameOf,
  networkFor,
  type OpenModel,
  openModel,
  withFactors,
} from "../training/start/starting-network.ts";
import { holdsPlan, stateOf } from "./sweep-folder.ts";
import { runsOf, type SweepPlan, settledSettings, writePlan } from "./sweep-plan.ts";
import { sweepByRanks } from "./sweep-ranks.ts";
import { isOver, type SweepHooks, type SweepReport } from "./sweep-report.ts";
import { carryOut, type PlannedRun, reportOf, type SweepGround } from "./sweep-task.ts";

export interface SweepOptions extends SweepHooks {
  /** Default `runs/<model>-<data>-sweep`. */
  readonly folder?: string;
  /** The data; default: the dataset that the plan names. */
  readonly data?: DatasetReference;
  /**
   * "runs": the ranks that MPI launched are workers, each of which trains runs on its own. Default: the runs are
   * trained in turn, each by all ranks together.
   */
  readonly parallel?: "runs";
}

export interface SweepResult {
  /** Absolute path. */
  readonly folder: string;
  /** The last report of each run. */
  readonly reports: readonly SweepReport[];
}

/** Default folder of the sweep of `plan`, relative to the working directory. */
export function sweepFolder({ model, data }: SweepPlan): string {
  const stem = `${basename(model).replace(/\.onnx$/i, "")}-${basename(data)}-sweep`;
  return join(DEFAULT_RUNS_FOLDER, stem.replaceAll(/[^\w.-]+/g, "-"));
}

/**
 * Trains all runs of `plan` that are not finished yet. First it checks the settings, structures and data of every
 * point, and that the existing folders contain the runs of the plan.
 *
 * @throws UserError before any training: "run-exists" if the folder has another sweep or a run with other settings,
 * "bad-option" for `parallel` with one rank only, "ranks-differ", and the errors of `train` about its options;
 * "interrupted" once the signal is aborted. The result reports runs that failed.
 */
export async function sweep(plan: SweepPlan, options: SweepOptions = {}): Promise<SweepResult> {
  requireArguments("sweep", { plan: [plan, "object"], options: [options, "object"] });
  const { data = datasetReference(plan.data, imagesOf(plan)), folder: chosen, parallel, ...hooks } = options;
  const cluster = await joinCluster();
  const workers = parallel === undefined ? undefined : requireWorkers(cluster);
  const { model, dataset, network } = await cluster.together(async () => {
    const found = await openModel(plan.model, {
      outputs: plan.settings.outputs,
      inputs: plan.settings.inputs,
      size: plan.images?.size,
    });
    const opened = await data.open(inputOf(found));
    return {
      model: found,
      dataset: opened,
      network: await requirePoints(plan, found, opened, workers === undefined ? cluster : new SingleProcess()),
    };
  });
  let unlock = async (): Promise<void> => {};
  const { folder, runs } = await cluster.onFirst(async () => {
    const path = resolve(chosen ?? sweepFolder(plan));
    const isHeld = await holdsPlan(path, plan);
    const planned = await statesOf(path, plan, nameOf(model, network.graph));
    if (!isHeld) await writePlan(path, plan);
    unlock = await lockRunFolder(path, () => {});
    return { folder: path, runs: planned };
  });
  try {
    const ground = { plan, model, folder, runs, data: { spec: plan.data, open: async () => dataset } };
    if (workers === undefined) return { folder, reports: await sweepInTurn(cluster, ground, hooks) };
    await requireSameGround(workers, ground, dataset, network);
    return { folder, reports: await inCluster(workers, () => sweepByRanks(workers, ground, hooks)) };
  } finally {
    await unlock();
  }
}

async function sweepInTurn(
  cluster: Cluster,
  ground: SweepGround,
  { onRun, onEvent, signal }: SweepHooks,
): Promise<readonly SweepReport[]> {
  const reports: SweepReport[] = [];
  for (const [index, planned] of ground.runs.entries()) {
    await carryOut({
      ...{ ...planned, ground, reports, cluster },
      hooks: {
        ...(onEvent === undefined ? {} : { onEvent: (event) => onEvent(event, planned.run.name) }),
        ...optional({ signal }),
      },
      tell: (news) => {
        const report = reportOf(ground, index, news);
        onRun?.(report);
        if (isOver(report)) reports.push(report);
      },
    });
  }
  return reports;
}

/**
 * Returns the ranks that the runs are distributed over.
 * @throws UserError "bad-option" if there is one process only; the hint says how to start several.
 */
export function requireWorkers(cluster: Cluster): Cluster {
  if (cluster.size > 1) return cluster;
  throw new UserError("bad-option", "the runs are to be distributed over several processes, but there is only one", {
    about: "--parallel runs",
    hint:
      "Start it under MPI, with one rank for each run at a time: " + '"mpirun -n 4 espalier sweep … --parallel runs"',
  });
}

/** Checks that all ranks have the same plan, data and network, and see the same folder. */
async function requireSameGround(
  cluster: Cluster,
  { plan, folder }: SweepGround,
  dataset: Dataset,
  { weights }: Network,
): Promise<void> {
  const { train, test } = hashData(dataset);
  await cluster.requireSame(() => ({
    "plan of the sweep": JSON.stringify(plan),
    "set of training images": `sha256 ${train}`,
    "set of test images": `sha256 ${test}`,
    "network to start from": `sha256 ${hashWeights(weights)}`,
  }));
  await cluster.together(async () => {
    if (cluster.isFirst || (await holdsPlan(folder, plan))) return;
    throw new UserError("missing-file", "this rank cannot see the sweep's folder, which rank 0 has created", {
      about: folder,
      hint: "The hosts of all ranks must share the folder: name a shared one with --out",
    });
  });
}

/** Options to open the data with. */
export function imagesOf({ images, settings }: SweepPlan): {
  readonly images?: ImageFileOptions;
  readonly unlabelled: boolean;
  readonly severalLabels: boolean;
} {
  // A caller in JavaScript may pass anything; the plan is checked later.
  return { ...optional({ images }), ...tableOptionsOf(settings ?? {}) };
}

async function statesOf(folder: string, plan: SweepPlan, model: string): Promise<readonly PlannedRun[]> {
  return Promise.all(runsOf(plan).map(async (run) => ({ run, state: await stateOf(folder, plan, run, model) })));
}

/**
 * Checks every point as its runs on `cluster` will, including its factors. Returns the initial network of the last
 * point.
 */
async function requirePoints(plan: SweepPlan, model: OpenModel, dataset: Dataset, cluster: Cluster): Promise<Network> {
  let network: Network | undefined;
  for (const point of plan.points) {
    const input = { ...plan.settings, ...point.settings };
    try {
      const settings = settledSettings(plan.model, input);
      requireOneTarget(settings);
      requireWindow(settings);
      requireBodyEpochs(settings);
      requireWeights(settings, bringsWeights(model) && !settings.fromScratch);
      const { dataset: limited } = await openData(Promise.resolve(dataset), settings, undefined);
      stepsPerEpoch(limited.train.count, settings.batch);
      imagesPerMicroBatch(partOfBatch(settings.batch, cluster).count, settings.accumulate ?? 1);
      const { network: plain } = networkFor(model, limited, { ...settings, isTaught: settings.teach !== undefined });
      if (settings.headEpochs !== undefined) requireHead(plain.graph);
      const latencyTable = await latencyTableFor(plain.graph, settings);
      const starting = withFactors(plain, settings, latencyTable);
      requireReachable(settings, starting, latencyTable);
      network = starting.network;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw aboutPart(error, `point "${point.name}" of the sweep`);
    }
  }
  return required(network, "a point of the sweep");
}
