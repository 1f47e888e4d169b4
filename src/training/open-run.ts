/** Carries out a run, new or resumed: opens it at a checkpoint, trains it to its end and finishes it. */
import { join } from "node:path";
import { optional } from "../core/optional.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Cluster } from "../distributed/cluster.ts";
import { saveOnnx } from "../formats/onnx/index.ts";
import type { Network } from "../graph/graph.ts";
import { networkCost } from "../latency/predict.ts";
import { describeTable, type LatencyTable } from "../latency/table.ts";
import { finishRun, type Trained } from "./finish/finish.ts";
import type { Run } from "./finish/run.ts";
import { BudgetGamma } from "./gamma/budget-gamma.ts";
import { ConstantGamma, DelayedGamma, type GammaPolicy } from "./gamma/gamma-policy.ts";
import { AveragedWeights } from "./hooks/averaged-weights.ts";
import { Checkpoints } from "./hooks/checkpoints.ts";
import { Int8Phase } from "./hooks/int8-phase.ts";
import { OnlinePruning } from "./hooks/online-pruning.ts";
import { Outlook } from "./hooks/outlook.ts";
import { ProgressReports } from "./hooks/progress.ts";
import { PruningSpeed } from "./hooks/pruning-speed.ts";
import { RunWarnings, type WarningBody } from "./hooks/warnings.ts";
import { score } from "./progress/score.ts";
import { Throughput } from "./progress/throughput.ts";
import { reportUnreadable } from "./progress/unreadable.ts";
import { type Checkpoint, writeCheckpoint } from "./run-folder/checkpoint-files.ts";
import { type KeptFiles, keptFiles } from "./run-folder/kept-files.ts";
import { runFiles } from "./run-folder/run-folder.ts";
import { type RunRecord, writeRunRecord } from "./run-folder/run-record.ts";
import type { RunWriter } from "./run-folder/run-writer.ts";
import { sealOf } from "./run-folder/seal.ts";
import { engineOf, type RunOptions, type Threads, withThreads, withWriter } from "./session/run-scope.ts";
import { RunState } from "./session/run-state.ts";
import { epochOf, openSession, type Session } from "./session/session.ts";
import type { Settings } from "./settings/settings.ts";
import { classBalanceNotes } from "./start/class-balance.ts";
import { saveLatencyTable } from "./start/latency-table.ts";
import { trainingLoop } from "./training-loop.ts";

/** The state that a run is opened with. */
export interface RunStart {
  readonly record: RunRecord;
  readonly dataset: Dataset;
  /** For a new run: the checkpoint of step 0. */
  readonly checkpoint: Checkpoint;
  /** The teacher network, if the settings ask for distillation. */
  readonly teacher?: Network;
  /** The times of the network's layers, if the settings ask for latency. */
  readonly latencyTable?: LatencyTable;
  /** Whether the folder was created by this session. */
  readonly isNew: boolean;
  /** The step that an earlier session reached; null if no session has trained yet. */
  readonly resumedFrom: number | null;
  /** Whether a trained network is pruned that knows these data. */
  readonly isTrained?: boolean;
  /** A warning about what a trained network answers before the first step. */
  readonly warning?: WarningBody;
  /** Notices to emit at the start. */
  readonly notices: readonly string[];
}

/** The source of a run: the arguments of a new run, or the folder of a stopped one. */
export interface RunSource {
  readonly cluster: Cluster;
  readonly settings: Settings;
  /** `performance.now()` at the start of the session. */
  readonly startedAt: number;
  /** Decides what only the engine can tell. Checks belong here, because nothing is written yet. */
  settle(threads: Threads): Promise<SettledRun>;
}

/** A run of which everything is decided. */
export interface SettledRun {
  readonly settings: Settings;
  /** Returns the run's folder and creates it if needed. */
  folder(): Promise<string>;
  /** Returns the state to open the run with. Called once this process has locked the folder. */
  open(writer: RunWriter): Promise<RunStart>;
}

/** Opens the run of `source`, trains it to its end and finishes it. Throws the errors of `train` and `resume`. */
export async function carryOut(source: RunSource, options: RunOptions): Promise<Run> {
  const { cluster, startedAt } = source;
  return withThreads(source.settings, options, cluster, async (threads) => {
    const { settings, ...settled } = await source.settle(threads);
    return withWriter(await settled.folder(), options, cluster, async (writer) => {
      const start = await settled.open(writer);
      const { record, dataset, checkpoint, teacher, latencyTable } = start;
      const { factors } = record;
      const session = await discardingNew(start, writer, async () => {
        const opened = await openSession({
          ...{ ...threads, settings, factors, dataset, checkpoint },
          ...optional({ teacher, latencyTable, taught: record.taught, restoredNorms: record.restoredNorms }),
        });
        if (checkpoint.progress.step === 0) await cluster.onFirst(() => recordPrecision(writer, record, opened));
        return opened;
      });
      try {
        announce(session, writer, start);
        if (start.warning !== undefined) writer.emitter.emit(start.warning);
        const trained = await trainToEnd(session, writer, { ...options, start });
        return await finishRun(session, writer, trained, startedAt);
      } finally {
        session.eventLoop.stop();
        await session.teaching?.classifier.dispose();
        await session.loader.dispose();
      }
    });
  });
}

/**
 * Writes the state that the run starts from before the long work of preparing plans: a run whose process is killed
 * after this can be resumed. `run.json` is written last, because its presence makes the folder a run. Returns the
 * hashes of the files that the run keeps.
 */
export async function writeStart(writer: RunWriter, start: RunStart): Promise<KeptFiles> {
  const { teacher, latencyTable } = start;
  const { folder } = writer;
  const written = await discardingNew(start, writer, () =>
    writer.write(async (owner) => {
      if (teacher !== undefined) await saveOnnx(teacher, join(folder, runFiles.teacher));
      if (latencyTable !== undefined) await saveLatencyTable(join(folder, runFiles.latencyTable), latencyTable);
      const files = await keptFiles(folder);
      const { record, checkpoint } = withKeptFiles(start, files);
      await writeCheckpoint(folder, checkpoint, owner);
      await writeRunRecord(folder, record);
      return files;
    }),
  );
  return written ?? {};
}

/** `start` with the hashes of the files that the run keeps in its record, and under its seal. */
export function withKeptFiles(start: RunStart, files: KeptFiles): RunStart {
  if (Object.keys(files).length === 0) return start;
  const record = { ...start.record, files };
  return { ...start, record, checkpoint: { ...start.checkpoint, seal: sealOf(record) } };
}

/**
 * Does `work`. If it fails for a new run, which has trained nothing yet, removes the folder: the same command then
 * works again.
 */
async function discardingNew<T>({ isNew }: RunStart, writer: RunWriter, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isNew) await writer.discard();
    throw error;
  }
}

/** Records the precision beside the engine, because the setting may only say "auto", and what is taught. */
async function recordPrecision(writer: RunWriter, record: RunRecord, session: Session): Promise<void> {
  const { settings, teaching } = session;
  const engine = { ...record.engine, precision: settings.precision };
  await writer.write(() =>
    writeRunRecord(writer.folder, { ...record, ...optional({ taught: teaching?.taught }), engine }),
  );
}

function announce(session: Session, { emitter }: RunWriter, { record, resumedFrom, notices }: RunStart): void {
  const { dataset, settings, graph, factors, totalSteps } = session;
  const { name, classes, train, test } = dataset;
  emitter.moveTo(resumedFrom ?? 0, epochOf(resumedFrom ?? 0, session));
  emitter.emit({
    type: "run.started",
    run: record.name,
    model: record.model,
    dataset: { name, classes: classes.length, trainImages: train.count, testImages: test.count },
    options: { ...settings },
    epochs: settings.epochs,
    stepsPerEpoch: session.stepsPerEpoch,
    totalSteps,
    cost: networkCost(graph, session.latencyTable),
    factors: factors.map(({ parameter, layer, kind, count, gamma }) => ({ parameter, layer, kind, count, gamma })),
    engine: engineOf(session),
    environment: record.environment,
    ...optional({ controlOf: record.controlOf }),
    resumedFrom,
  });
  const { latencyTable } = session;
  if (latencyTable !== undefined) {
    emitter.emit({ type: "notice", message: `Latency is predicted for: ${describeTable(latencyTable)}` });
  }
  for (const message of [...(dataset.notes ?? []), ...classBalanceNotes(dataset, settings)]) {
    emitter.emit({ type: "notice", message });
  }
  reportUnreadable(dataset, emitter);
  for (const message of new Set([...session.network.notices, ...notices])) emitter.emit({ type: "notice", message });
}

function gammaPolicyFor(session: Session): GammaPolicy {
  const { budget, gammaAfter = 0 } = session.settings;
  if (budget !== undefined) return new BudgetGamma(session, budget);
  return gammaAfter === 0 ? new ConstantGamma() : new DelayedGamma(Math.round(gammaAfter * session.stepsPerEpoch));
}

/** Trains with all hooks. The caller's hooks run before those that prune and save the network. */
async function trainToEnd(
  session: Session,
  writer: RunWriter,
  { gammaPolicy, hooks: own = [], start }: RunOptions & { readonly start: RunStart },
): Promise<Trained> {
  const { settings, factors, dataset } = session;
  const policy = gammaPolicy ?? gammaPolicyFor(session);
  const throughput = new Throughput(settings.batch);
  const speed = new PruningSpeed(settings.batch);
  const progress = new ProgressReports(session, policy, throughput);
  const warnings = new RunWarnings({
    classes: dataset.classes,
    epochs: settings.epochs,
    factors,
    hasBudget: settings.budget !== undefined,
    isWeighted: settings.classWeights !== undefined,
    isTaught: settings.teach !== undefined,
    isMultiLabel: dataset.labelSets !== undefined,
  });
  const int8 = settings.int8 === true ? new Int8Phase(session, policy, throughput) : undefined;
  const hooks = [
    new AveragedWeights(session),
    speed,
    progress,
    warnings,
    ...(start.isTrained === true && settings.budget !== undefined ? [new Outlook(session, settings.budget)] : []),
    ...own,
    new OnlinePruning(session, speed, throughput),
    ...(int8 === undefined ? [] : [int8]),
  ];
  const run = new RunState(session, writer);
  const checkpoints = new Checkpoints(session, writer, run, [policy, ...hooks]);
  // The checkpoint of step 0 on disk may have been written before the kernels were chosen.
  if (run.step === 0) await checkpoints.save();
  await trainingLoop(session, run, policy, [...hooks, checkpoints]);
  const accuracy = run.accuracy ?? (await score(session, dataset.test));
  const { testTimeAugmentation: views } = settings;
  const augmented = views === undefined ? undefined : await score(session, dataset.test, views);
  return {
    accuracy,
    ...optional({ augmented, int8Steps: int8?.stepsUntil(run.step) }),
    pace: progress.pace,
    steps: run.step,
  };
}
