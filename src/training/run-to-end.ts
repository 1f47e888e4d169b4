/**
 * A run from its first to its last event, new or resumed: opens it at a checkpoint, trains it with all hooks, and
 * finishes it.
 */
import { optional } from "../core/optional.ts";
import type { Cluster } from "../distributed/cluster.ts";
import { finishRun, type Trained } from "./finish/finish.ts";
import type { Run } from "./finish/run.ts";
import { gammaPolicyFor } from "./gamma/settings-policy.ts";
import { AveragedWeights } from "./hooks/averaged-weights.ts";
import { Checkpoints } from "./hooks/checkpoints.ts";
import { Int8Phase } from "./hooks/int8-phase.ts";
import { OnlinePruning } from "./hooks/online-pruning.ts";
import { Outlook } from "./hooks/outlook.ts";
import { ProgressReports } from "./hooks/progress.ts";
import { PruningSpeed } from "./hooks/pruning-speed.ts";
import { RunWarnings } from "./hooks/warnings.ts";
import { score } from "./progress/score.ts";
import { Throughput } from "./progress/throughput.ts";
import { writeRunRecord } from "./run-folder/run-record.ts";
import type { RunWriter } from "./run-folder/run-writer.ts";
import { announce } from "./session/announce.ts";
import { type RunOptions, type RunResources, withResources, withWriter } from "./session/run-scope.ts";
import { RunState } from "./session/run-state.ts";
import { openSession, type Session } from "./session/session.ts";
import type { Settings } from "./settings/settings.ts";
import { type RunStart, removingNewOnFailure } from "./start/run-start.ts";
import { trainingLoop } from "./training-loop.ts";

/** A run to carry out: a new one with its arguments, or the folder of a stopped one. */
export interface RunSource {
  readonly cluster: Cluster;
  /** The settings that engine and threads are opened with. */
  readonly settings: Settings;
  /** `performance.now()` at the start of the session. */
  readonly startedAt: number;
  /** Decides what needs the engine. Nothing is written yet, so checks belong here. */
  prepare(resources: RunResources): Promise<PreparedRun>;
}

/** A run of which everything is decided. */
export interface PreparedRun {
  readonly settings: Settings;
  /** Returns the run's folder and creates it if needed. */
  folder(): Promise<string>;
  /** Returns the state to open the run with. Called once this process has locked the folder. */
  open(writer: RunWriter): Promise<RunStart>;
}

/** Carries out the run of `source`. Throws the errors of `train` and `resume`. */
export async function runToEnd(source: RunSource, options: RunOptions): Promise<Run> {
  const { cluster, startedAt } = source;
  return withResources(source.settings, options, cluster, async (resources) => {
    const prepared = await source.prepare(resources);
    return withWriter(await prepared.folder(), options, cluster, async (writer) => {
      const start = await prepared.open(writer);
      const session = await removingNewOnFailure(start, writer, () =>
        openRun(resources, prepared.settings, writer, start),
      );
      try {
        announce(session, writer, start);
        const trained = await trainWithHooks(session, writer, { ...options, start });
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
 * Opens the session. Before its first step, the run records what only the session knows: the precision, because the
 * setting may say "auto", and how much the outputs vary that are taught.
 */
async function openRun(
  resources: RunResources,
  settings: Settings,
  writer: RunWriter,
  { record, dataset, checkpoint, teacher, latencyTable }: RunStart,
): Promise<Session> {
  const { factors, taught, restoredNorms } = record;
  const session = await openSession({
    ...{ ...resources, settings, factors, dataset, checkpoint },
    ...optional({ teacher, latencyTable, taught, restoredNorms }),
  });
  if (checkpoint.progress.step > 0) return session;
  const engine = { ...record.engine, precision: session.settings.precision };
  const known = { ...record, ...optional({ taught: session.teaching?.taught }), engine };
  await resources.cluster.onFirst(async () => {
    await writer.write(() => writeRunRecord(writer.folder, known));
  });
  return session;
}

/** Trains with all hooks. The caller's hooks run before those that prune and save the network. */
async function trainWithHooks(
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
