/** `train` starts a new run. It checks all of its arguments before it writes anything. */
import { performance } from "node:perf_hooks";
import { requireArguments } from "../core/arguments.ts";
import { type Cluster, inCluster } from "../distributed/cluster.ts";
import type { Run } from "./finish/run.ts";
import { requireReachable } from "./gamma/reachable-budget.ts";
import { type PreparedRun, runToEnd } from "./run-to-end.ts";
import { clusterFor, type RunOptions, type RunResources } from "./session/run-scope.ts";
import type { SettingsInput } from "./settings/settings.ts";
import { restored } from "./start/batch-norms/restore.ts";
import { checkedSettings } from "./start/checked-settings.ts";
import type { DataSource } from "./start/data/run-data.ts";
import { bringsWeights } from "./start/fine-tuning.ts";
import { latencyTableFor } from "./start/latency-table.ts";
import { type ModelAndData, openModelAndData } from "./start/model-and-data.ts";
import { type NewRun, type NewRunOptions, prepareNewRun } from "./start/new-run.ts";
import { type ModelSource, withFactors } from "./start/starting-network.ts";

/** The settings of the run, the data, and the options to follow and stop the run. */
export interface TrainOptions extends SettingsInput, RunOptions, NewRunOptions {
  /** The training data: `cifar10()`, a name or folder as on the command line, or an open dataset. */
  readonly data: DataSource;
}

/**
 * Trains `model` with scaling factors, cuts the structures whose factors reached zero, and proves that the compact
 * network gives the same answers. The run's folder keeps the results. Under MPI all ranks train the run together, and
 * rank 0 writes the folder.
 *
 * @throws UserError "bad-option", "unknown-name" and the errors of opening the data, before anything is written;
 * "run-exists"; "engine-missing" without oneDNN; "diverged"; "interrupted" after the signal; "not-exact"; "run-lost" if
 * another process has taken the folder over; "run-moved" if the folder was moved.
 */
export async function train(model: ModelSource, options: TrainOptions): Promise<Run> {
  requireArguments("train", { model: [model, "graph or network"], options: [options, "object"] });
  requireArguments("train", { "options.data": [options.data, "data"] });
  const cluster = await clusterFor(options);
  return inCluster(cluster, () => trainOn(cluster, model, options));
}

async function trainOn(cluster: Cluster, model: ModelSource, options: TrainOptions): Promise<Run> {
  const startedAt = performance.now();
  const opened = await cluster.together(() => openAndCheck(cluster, model, options));
  const newRun = await withPlacedFactors(cluster, model, opened);
  const { settings } = newRun;
  const prepare = (resources: RunResources): Promise<PreparedRun> => prepareNewRun(newRun, resources, options);
  return runToEnd({ cluster, settings, startedAt, prepare }, options);
}

async function openAndCheck(cluster: Cluster, model: ModelSource, options: TrainOptions): Promise<ModelAndData> {
  const { data, teacher } = options;
  const isFineTuned = bringsWeights(model) && options.fromScratch !== true;
  const about = { cluster, isFineTuned, bringsTeacher: teacher !== undefined };
  const settings = checkedSettings(settingsOf(options), { ...about, own: options });
  return openModelAndData(model, data, { ...about, settings });
}

/** `options` without those that are no settings. */
function settingsOf(options: TrainOptions): SettingsInput {
  const { data: _, folder: _folder, controlOf: _controlOf, teacher: _teacher, ...others } = options;
  const { onEvent, signal, hooks, gammaPolicy, alone, tuningClock, ...settings } = others;
  return settings;
}

/** Puts merged batch norms back, measures the latency of layers if it is needed, and places the factors. */
async function withPlacedFactors(cluster: Cluster, model: ModelSource, opened: ModelAndData): Promise<NewRun> {
  const { settings, dataset } = opened;
  const plain = bringsWeights(model)
    ? await restored(opened.network, dataset, settings, cluster)
    : { network: opened.network, norms: [] };
  const { graph } = plain.network;
  // One rank measures, so that all have the same times, and no other process is busy meanwhile.
  const table = await cluster.onFirst(async () => (await latencyTableFor(graph, settings)) ?? null);
  const latencyTable = table ?? undefined;
  const placed = await cluster.together(async () => {
    const starting = withFactors(plain.network, settings, latencyTable);
    requireReachable(settings, starting, latencyTable);
    return starting;
  });
  return { ...opened, ...placed, latencyTable, restoration: plain };
}
