/** `train` starts a new run. It checks all of its arguments before it writes anything. */
import { basename, join } from "node:path";
import { performance } from "node:perf_hooks";
import { requireArguments } from "../core/arguments.ts";
import { optional } from "../core/optional.ts";
import { type Cluster, inCluster } from "../distributed/cluster.ts";
import type { Network } from "../graph/graph.ts";
import type { LatencyTable } from "../latency/table.ts";
import type { Factor } from "../selection/factors.ts";
import { bake } from "../selection/fold.ts";
import type { ControlOf } from "./events/events.ts";
import type { Run } from "./finish/run.ts";
import { requireReachable } from "./gamma/reachable-budget.ts";
import { requireSameInputs } from "./ranks/same-inputs.ts";
import type { Checkpoint } from "./run-folder/checkpoint-files.ts";
import { describeEnvironment } from "./run-folder/environment.ts";
import {
  createNumberedRunFolder,
  createRunFolder,
  DEFAULT_RUNS_FOLDER,
  requireUnused,
} from "./run-folder/run-folder.ts";
import { hashData, hashWeights, type RunRecord } from "./run-folder/run-record.ts";
import { sealOf } from "./run-folder/seal.ts";
import { type PreparedRun, runToEnd } from "./run-to-end.ts";
import { clusterFor, engineOf, type RunOptions, type RunResources } from "./session/run-scope.ts";
import { evaluationBatchOf } from "./session/session.ts";
import type { Settings, SettingsInput } from "./settings/settings.ts";
import { restored } from "./start/batch-norms/restore.ts";
import { carriedNotices } from "./start/carried-notices.ts";
import { checkedSettings } from "./start/checked-settings.ts";
import type { DataSource } from "./start/data/run-data.ts";
import { hasTeacher, withDistillationDecided } from "./start/distillation.ts";
import { bringsWeights } from "./start/fine-tuning.ts";
import { type InitialAccuracy, measureInitialAccuracy } from "./start/initial-accuracy.ts";
import { latencyTableFor } from "./start/latency-table.ts";
import { type ModelAndData, openModelAndData } from "./start/model-and-data.ts";
import { type RunStart, withKeptFiles, writeStart } from "./start/run-start.ts";
import { type ModelSource, withFactors } from "./start/starting-network.ts";

/** The settings of the run, the data, and the options to follow and stop the run. */
export interface TrainOptions extends SettingsInput, RunOptions {
  /** The training data: `cifar10()`, a name or folder as on the command line, or an open dataset. */
  readonly data: DataSource;
  /** The run's folder; default `runs/<name>`. */
  readonly folder?: string;
  /** For a from-scratch baseline: the run it belongs to. `run.json` keeps it; see `experiments/control.ts`. */
  readonly controlOf?: ControlOf;
  /** For a from-scratch baseline of a run that was taught outputs: the network whose outputs are taught. */
  readonly teacher?: Network;
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

/** A new run whose network is complete. Nothing is written yet. */
interface NewRun extends ModelAndData {
  /** With its factors and all weights. */
  readonly network: Network;
  readonly factors: readonly Factor[];
  readonly latencyTable: LatencyTable | undefined;
  /** The batch norms that were put back, by name, and a sentence about them. */
  readonly restored: { readonly norms: readonly string[]; readonly notice?: string };
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
  return { ...opened, ...placed, latencyTable, restored: plain };
}

/** Measures the accuracy of trained weights, and decides by it whether the run distils from them. */
async function prepareNewRun(newRun: NewRun, resources: RunResources, options: TrainOptions): Promise<PreparedRun> {
  const { network, dataset, model, settings: asked } = newRun;
  const { cluster } = resources;
  const measured = newRun.knowsClasses
    ? await measureInitialAccuracy(resources, { network, dataset, batch: evaluationBatchOf(asked, cluster) })
    : undefined;
  const { settings, notice } = withDistillationDecided(
    asked,
    asked.budget === undefined ? undefined : measured,
    dataset.classes.length,
  );
  const engine = engineOf(resources);
  return {
    settings,
    folder: async () => {
      await requireSameInputs(cluster, { settings, dataset, network, engine });
      return cluster.onFirst(() => newFolder(options.folder, settings, `${model}-${dataset.name}`));
    },
    open: async (writer) => {
      await cluster.onFirst(() => requireUnused(writer.folder));
      const record: RunRecord = {
        version: 1,
        name: basename(writer.folder),
        created: new Date().toISOString(),
        ...{ model, settings },
        ...optional({ gammaPolicy: options.gammaPolicy?.name, controlOf: options.controlOf }),
        ...recordOf(newRun),
        engine,
        environment: await describeEnvironment(),
      };
      const start: RunStart = {
        ...{ record, dataset, isNew: true, resumedFrom: null },
        ...optional({ latencyTable: newRun.latencyTable, warning: measured?.warning }),
        isTrained: measured !== undefined && measured.warning === undefined,
        checkpoint: { ...INITIAL_STATE, network, seal: sealOf(record) },
        ...(hasTeacher(settings) ? { teacher: options.teacher ?? bake(network) } : {}),
        notices: noticesOf(newRun, { measured, teacherNotice: notice, isBaseline: options.controlOf !== undefined }),
      };
      return withKeptFiles(start, await cluster.onFirst(() => writeStart(writer, start)));
    },
  };
}

/** What `run.json` says of data and network. */
function recordOf({
  dataset,
  source,
  network,
  factors,
  restored: { norms },
}: NewRun): Pick<RunRecord, "data" | "restoredNorms" | "initialWeights" | "factors"> {
  return {
    data: {
      name: dataset.name,
      source,
      classes: dataset.classes,
      normalization: dataset.normalization,
      ...optional({ preparation: dataset.preparation }),
      sha256: hashData(dataset),
    },
    ...(norms.length === 0 ? {} : { restoredNorms: norms }),
    initialWeights: hashWeights(network.weights),
    factors,
  };
}

const NO_GAMMA = "No sparsity strength γ was given. This is plain training: nothing will be cut";

interface Found {
  readonly measured: InitialAccuracy | undefined;
  readonly teacherNotice: string | undefined;
  readonly isBaseline: boolean;
}

/** What the user should know about how the run begins. */
function noticesOf(
  { network, factors, notices, restored: { notice: restoredNotice } }: NewRun,
  { measured, teacherNotice, isBaseline }: Found,
): readonly string[] {
  const noGamma = factors.length === 0 && !isBaseline ? NO_GAMMA : undefined;
  return [
    ...(measured?.notices ?? []),
    ...carriedNotices(network.graph),
    ...notices,
    ...[teacherNotice, restoredNotice, noGamma].filter((notice) => notice !== undefined),
  ];
}

/** The state of a run before its first step. */
const INITIAL_STATE: Omit<Checkpoint, "network"> = {
  progress: {
    step: 0,
    sums: { steps: 0, loss: 0, correct: 0, milliseconds: 0 },
    choices: { training: {}, evaluation: {} },
    cuts: [],
  },
  optimizer: { velocity: new Map(), held: new Map(), margin: new Map() },
  hooks: {},
};

async function newFolder(chosen: string | undefined, { name }: Settings, stem: string): Promise<string> {
  if (chosen !== undefined) return createRunFolder(chosen);
  if (name !== undefined) return createRunFolder(join(DEFAULT_RUNS_FOLDER, name));
  return createNumberedRunFolder(DEFAULT_RUNS_FOLDER, stem.replaceAll(/[^\w.-]+/g, "-"));
}
