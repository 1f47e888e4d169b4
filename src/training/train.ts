/** `train`: the whole path of a new run. Everything it was given is checked before anything is written. */
import { basename, join } from "node:path";
import { performance } from "node:perf_hooks";
import { optional } from "../core/optional.ts";
import { stepsPerEpoch } from "../data/order.ts";
import { type Cluster, inCluster } from "../distributed/cluster.ts";
import { saveOnnx } from "../formats/onnx/index.ts";
import { bake } from "../selection/fold.ts";
import { requireReachable } from "./budget.ts";
import { type Checkpoint, writeCheckpoint } from "./checkpoints.ts";
import {
  announce,
  type ConductOptions,
  clusterFor,
  engineOf,
  withJournal,
  withSession,
  withThreads,
} from "./conduct.ts";
import { describeEnvironment } from "./environment.ts";
import type { ControlOf } from "./events.ts";
import { bringsWeights, requireWeights, withFineTuning } from "./fine-tuning.ts";
import { sourceForFile } from "./fine-tuning-data.ts";
import { finishRun } from "./finish.ts";
import { requireWindow } from "./gamma-window.ts";
import type { Journal } from "./journal.ts";
import { NOT_SAVED, TrainingLoop } from "./loop.ts";
import { imagesPerMicroBatch } from "./micro-batches.ts";
import { partOfBatch, requireCommonGround } from "./ranks.ts";
import type { Run } from "./run.ts";
import { type DataSource, openData } from "./run-data.ts";
import {
  createNumberedRunFolder,
  createRunFolder,
  DEFAULT_RUNS_FOLDER,
  requireUnused,
  runFiles,
} from "./run-folder.ts";
import { hashData, hashWeights, type RunRecord, writeRunRecord } from "./run-record.ts";
import { sealOf } from "./seal.ts";
import { openSession, type Session, type SessionStart } from "./session.ts";
import { parseSettings, type Settings, type SettingsInput } from "./settings/settings.ts";
import { inputOf, type ModelSource, nameOf, startingNetwork } from "./starting-network.ts";

/** Settings of the run, the data, and how to follow and stop it. */
export interface TrainOptions extends SettingsInput, ConductOptions {
  /** What to train on: `cifar10()`, a name or folder as on the command line, or an open dataset. */
  readonly data: DataSource;
  /** Folder of the run; default `runs/<name>`. */
  readonly folder?: string;
  /** Of what the run is the control, kept in its record; see `experiments/control.ts`. */
  readonly controlOf?: ControlOf;
}

/**
 * Trains `model` with scaling factors, cuts what they drove to zero, and proves that the compact network gives the same
 * answers. All of it is kept in the run's folder. Launched by MPI, the ranks train it together, and rank 0 keeps it.
 *
 * @throws UserError: "bad-option", "unknown-name" and what opening the data throws, before anything is written;
 * "run-exists"; "engine-missing" without oneDNN; "diverged"; "interrupted" after the signal; "not-exact"; "run-lost" or "run-moved"
 * of a folder that is another process's or elsewhere by now.
 */
export async function train(model: ModelSource, options: TrainOptions): Promise<Run> {
  const cluster = await clusterFor(options);
  return inCluster(cluster, () => trainOn(cluster, model, options));
}

async function trainOn(cluster: Cluster, model: ModelSource, options: TrainOptions): Promise<Run> {
  const startedAt = performance.now();
  const { data, folder: chosenFolder, onEvent, signal, alone: _, tuningClock, controlOf, ...input } = options;
  const { settings, dataset, source, network, factors } = await cluster.together(async () => {
    const isFineTuned = bringsWeights(model) && input.fromScratch !== true;
    const parsed = withThreadCount(parseSettings(isFineTuned ? withFineTuning(input) : input), cluster);
    requireWeights(parsed, isFineTuned);
    requireWindow(parsed);
    imagesPerMicroBatch(partOfBatch(parsed.batch, cluster).count, parsed.accumulate ?? 1);
    const named = isFineTuned && typeof model === "string" ? await sourceForFile(model, data) : data;
    const opened = await openData(named, parsed.limit, await inputOf(model));
    stepsPerEpoch(opened.dataset.train.count, parsed.batch);
    const starting = await startingNetwork(model, opened.dataset, parsed);
    requireReachable(parsed, starting);
    return { settings: parsed, ...opened, ...starting };
  });
  const name = nameOf(model, network.graph);
  const teacher = settings.distill === undefined ? undefined : bake(network);
  return withThreads(settings, optional("tuningClock", tuningClock), cluster, async (threads) => {
    const engine = engineOf(threads);
    await requireCommonGround(cluster, { settings, dataset, network, engine });
    const folder = await cluster.onFirst(() => newFolder(chosenFolder, settings, `${name}-${dataset.name}`));
    const record: RunRecord = {
      version: 1,
      name: basename(folder),
      created: new Date().toISOString(),
      model: name,
      settings,
      ...optional("controlOf", controlOf),
      data: {
        name: dataset.name,
        source,
        classes: dataset.classes,
        normalization: dataset.normalization,
        ...optional("preparation", dataset.preparation),
        sha256: hashData(dataset),
      },
      initialWeights: hashWeights(network.weights),
      factors,
      engine,
      environment: await describeEnvironment(),
    };
    const checkpoint = { ...NOTHING_DONE, network, seal: sealOf(record) };
    const journalOptions = { ...optional("onEvent", onEvent), ...optional("signal", signal) };
    return withJournal(folder, journalOptions, cluster, async (journal) => {
      await cluster.onFirst(() => requireUnused(folder));
      const start = { ...threads, settings, factors, dataset, checkpoint, ...optional("teacher", teacher) };
      const open = async (): Promise<Session> => {
        try {
          await cluster.onFirst(() => begin(journal, record, start));
          const session = await openSession(start);
          await cluster.onFirst(() => recordPrecision(journal, record, session));
          return session;
        } catch (error) {
          // Nothing is trained yet: the same command can be given again.
          await journal.discard();
          throw error;
        }
      };
      return withSession(open, async (session) => {
        announce(session, journal, record, null);
        if (factors.length === 0 && controlOf === undefined) {
          journal.emitter.emit({
            type: "notice",
            message: "No sparsity strength γ was given: this is plain training, and nothing will be cut",
          });
        }
        const trained = await new TrainingLoop(session, journal, NOT_SAVED).run();
        return finishRun(session, journal, trained, startedAt);
      });
    });
  });
}

/**
 * Writes down what the run starts from, before the long work of preparing it: a process that is killed from here on leaves a run that
 * can be resumed. The record comes last, for with it the folder is a run.
 */
async function begin(journal: Journal, record: RunRecord, { teacher, checkpoint }: SessionStart): Promise<void> {
  const { folder } = journal;
  await journal.write(async (owner) => {
    if (teacher !== undefined) await saveOnnx(teacher, join(folder, runFiles.teacher));
    await writeCheckpoint(folder, checkpoint, owner);
    await writeRunRecord(folder, record);
  });
}

/** Settings may ask for "auto": the record says beside the engine which precision that is. */
async function recordPrecision(journal: Journal, record: RunRecord, { settings }: Session): Promise<void> {
  const engine = { ...record.engine, precision: settings.precision };
  await journal.write(() => writeRunRecord(journal.folder, { ...record, engine }));
}

const NOTHING_DONE: Omit<Checkpoint, "network"> = {
  progress: {
    step: 0,
    sums: { steps: 0, loss: 0, correct: 0, milliseconds: 0 },
    choices: { training: {}, evaluation: {} },
    cuts: [],
  },
  velocities: new Map(),
};

/** The number of threads decides how sums are split, so it is part of what a resumed run repeats. */
function withThreadCount(settings: Settings, cluster: Cluster): Settings {
  // Several ranks have each as many as its host gives them.
  if (settings.engine === "reference" || cluster.size > 1) return settings;
  return { ...settings, threads: settings.threads ?? cluster.threads };
}

async function newFolder(chosen: string | undefined, { name }: Settings, stem: string): Promise<string> {
  if (chosen !== undefined) return createRunFolder(chosen);
  if (name !== undefined) return createRunFolder(join(DEFAULT_RUNS_FOLDER, name));
  return createNumberedRunFolder(DEFAULT_RUNS_FOLDER, stem.replaceAll(/[^\w.-]+/g, "-"));
}
