/** `train` starts a new run. It checks all of its arguments before it writes anything. */
import { basename, join } from "node:path";
import { performance } from "node:perf_hooks";
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { stepsPerEpoch } from "../data/shuffle.ts";
import { type Cluster, inCluster } from "../distributed/cluster.ts";
import type { Network } from "../graph/graph.ts";
import { calibrationImages } from "../quantization/calibration-images.ts";
import { simulateIntegers } from "../quantization/simulate.ts";
import { bake } from "../selection/fold.ts";
import type { ControlOf } from "./events/events.ts";
import type { Run } from "./finish/run.ts";
import { requireReachable } from "./gamma/budget-gamma.ts";
import { requireWindow } from "./gamma/gamma-schedule.ts";
import { requireOwnNames } from "./hooks/run-hook.ts";
import { requireBodyEpochs } from "./learning-rate/head-phase.ts";
import { imagesPerMicroBatch } from "./network/micro-batches.ts";
import { requireUpdates } from "./network/weight-average.ts";
import { carryOut, type RunStart, type SettledRun, withKeptFiles, writeStart } from "./open-run.ts";
import { partOfBatch, requireCommonGround } from "./ranks/ranks.ts";
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
import { clusterFor, engineOf, type RunOptions, type Threads } from "./session/run-scope.ts";
import { evaluationBatchOf } from "./session/session.ts";
import { requireInt8, requireKnownLayers } from "./settings/integers.ts";
import { parseSettings, type Settings, type SettingsInput } from "./settings/settings.ts";
import { labelOptionsOf } from "./settings/tasks.ts";
import { carriedNotices } from "./start/carried-notices.ts";
import { dividedForBudget } from "./start/divided-groups.ts";
import { bringsWeights, requireOneTarget, requireWeights, withFineTuning } from "./start/fine-tuning.ts";
import { sourceForFile } from "./start/fine-tuning-data.ts";
import { firstAnswers } from "./start/first-answers.ts";
import { fittingBatch } from "./start/fitting-batch.ts";
import { isHeadNew, requireHead } from "./start/head.ts";
import { latencyTableFor } from "./start/latency-table.ts";
import { hasTeacher, requireKnownClasses, withOwnTeacher } from "./start/own-teacher.ts";
import { readingNote } from "./start/reading-note.ts";
import { restored } from "./start/restoration.ts";
import { type DataSource, openData } from "./start/run-data.ts";
import {
  fileOf,
  inputOf,
  type ModelSource,
  nameOf,
  networkFor,
  openModel,
  withFactors,
} from "./start/starting-network.ts";
import { whitened } from "./start/whitened.ts";

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
  const { data, folder: chosenFolder, controlOf, teacher, ...others } = options;
  const { onEvent, signal, hooks, gammaPolicy, alone: _, tuningClock, ...input } = others;
  const { asked, dataset, source, start, notices, isTrained, name } = await cluster.together(async () => {
    const isFineTuned = bringsWeights(model) && input.fromScratch !== true;
    const parsed = withThreadCount(parseSettings(isFineTuned ? withFineTuning(input) : input), cluster);
    requireWeights(parsed, isFineTuned || teacher !== undefined);
    requireOneTarget(parsed);
    requireWindow(parsed);
    requireBodyEpochs(parsed);
    requireInt8(parsed, isFineTuned);
    requireOneGamma(parsed, options);
    requireOwnNames([...(hooks ?? []), ...(gammaPolicy === undefined ? [] : [gammaPolicy])]);
    imagesPerMicroBatch(partOfBatch(parsed.batch, cluster).count, parsed.accumulate ?? 1);
    const found = await openModel(model, parsed);
    const file = isFineTuned ? fileOf(found) : undefined;
    const images = file === undefined ? data : sourceForFile(file, data, labelOptionsOf(parsed));
    const opened = await openData(images, parsed, inputOf(found));
    // Refuses too few images before anything is written.
    if (parsed.int8 === true) calibrationImages(opened.dataset, { heldOut: 0 });
    const { fitted, notice: batchNotice } = fittingBatch(parsed, opened.dataset.train.count, cluster.size);
    const steps = stepsPerEpoch(opened.dataset.train.count, fitted.batch);
    requireUpdates(fitted.averageWeights, fitted.epochs * steps);
    const { network, notice: headNotice } = networkFor(found, opened.dataset, {
      ...parsed,
      isTaught: parsed.teach !== undefined,
    });
    if (teacher === undefined) requireKnownClasses(parsed, network);
    if (parsed.headEpochs !== undefined) requireHead(network.graph);
    const scoreNotice = readingNote(network.graph, opened.dataset, parsed);
    const { network: start, notice: groupsNotice } = dividedForBudget(await whitened(network, opened.dataset), parsed);
    const said = [fileOf(found)?.notice, headNotice, scoreNotice, batchNotice, groupsNotice].filter(
      (notice) => notice !== undefined,
    );
    if (parsed.int8Keep !== undefined) requireKnownLayers(parsed, simulateIntegers(start.graph).layers);
    // Whoever teaches outputs has no labels to compare them with.
    const isOneLabel = parsed.teach === undefined && opened.dataset.labelSets === undefined;
    const isTrained = isFineTuned && !isHeadNew(network) && isOneLabel;
    return { asked: fitted, name: nameOf(found, network.graph), ...opened, start, notices: said, isTrained };
  });
  const {
    network: plain,
    norms,
    notice: restoredNotice,
  } = bringsWeights(model) ? await restored(start, dataset, asked, cluster) : { network: start, norms: [] };
  // One rank measures, so that all have the same times, and no other process is busy meanwhile.
  const table = await cluster.onFirst(async () => (await latencyTableFor(plain.graph, asked)) ?? null);
  const latencyTable = table ?? undefined;
  const { network, factors } = await cluster.together(async () => {
    const starting = withFactors(plain, asked, latencyTable);
    requireReachable(asked, starting, latencyTable);
    return starting;
  });
  const noGamma = "No sparsity strength γ was given. This is plain training: nothing will be cut";
  const settle = async (threads: Threads): Promise<SettledRun> => {
    const engine = engineOf(threads);
    const answers = isTrained
      ? await firstAnswers(threads, { network, dataset, batch: evaluationBatchOf(asked, cluster) })
      : undefined;
    const { settings, notice } = withOwnTeacher(
      asked,
      asked.budget === undefined ? undefined : answers,
      dataset.classes.length,
    );
    return {
      settings,
      folder: async () => {
        await requireCommonGround(cluster, { settings, dataset, network, engine });
        return cluster.onFirst(() => newFolder(chosenFolder, settings, `${name}-${dataset.name}`));
      },
      open: async (writer) => {
        await cluster.onFirst(() => requireUnused(writer.folder));
        const record: RunRecord = {
          version: 1,
          name: basename(writer.folder),
          created: new Date().toISOString(),
          model: name,
          settings,
          ...optional({ gammaPolicy: gammaPolicy?.name, controlOf }),
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
          engine,
          environment: await describeEnvironment(),
        };
        const start: RunStart = {
          ...{ record, dataset, isNew: true, resumedFrom: null },
          ...optional({ latencyTable, warning: answers?.warning }),
          isTrained: answers !== undefined && answers.warning === undefined,
          checkpoint: { ...INITIAL_STATE, network, seal: sealOf(record) },
          ...(hasTeacher(settings) ? { teacher: teacher ?? bake(network) } : {}),
          notices: [
            ...(answers?.notices ?? []),
            ...carriedNotices(network.graph),
            ...notices,
            ...(notice === undefined ? [] : [notice]),
            ...(restoredNotice === undefined ? [] : [restoredNotice]),
            ...(factors.length === 0 && controlOf === undefined ? [noGamma] : []),
          ],
        };
        return withKeptFiles(start, await cluster.onFirst(() => writeStart(writer, start)));
      },
    };
  };
  return carryOut({ cluster, settings: asked, startedAt, settle }, options);
}

/** @throws UserError "bad-option" if both the caller's γ policy and the settings decide γ. */
function requireOneGamma({ budget, gammaAfter }: Settings, { gammaPolicy }: RunOptions): void {
  const other = budget === undefined ? (gammaAfter === undefined ? undefined : "gammaAfter") : "budget";
  if (gammaPolicy === undefined || other === undefined) return;
  throw new UserError("bad-option", `"${other}" and the γ policy "${gammaPolicy.name}" would both decide γ`, {
    about: `option "${other}"`,
    hint: "Leave one of them out",
  });
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

/** Fixes the number of threads. It decides how sums are split, so a resumed run needs the same number. */
function withThreadCount(settings: Settings, cluster: Cluster): Settings {
  // With several ranks, each rank's host decides its number of threads.
  if (settings.engine === "reference" || cluster.size > 1) return settings;
  return { ...settings, threads: settings.threads ?? cluster.threads };
}

async function newFolder(chosen: string | undefined, { name }: Settings, stem: string): Promise<string> {
  if (chosen !== undefined) return createRunFolder(chosen);
  if (name !== undefined) return createRunFolder(join(DEFAULT_RUNS_FOLDER, name));
  return createNumberedRunFolder(DEFAULT_RUNS_FOLDER, stem.replaceAll(/[^\w.-]+/g, "-"));
}
