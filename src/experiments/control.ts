/**
 * The from-scratch baselines of a run: its compact architecture, trained again from new weights, for equal epochs or
 * equal training MACs; and the uniformly thinner network of as many MACs. Pruning pays if the pruned network is at
 * least as good as these.
 */

import { basename, dirname, join, relative, resolve } from "node:path";
import { requireArguments, requireOneOf } from "../core/arguments.ts";
import { required, UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { cost } from "../graph/cost.ts";
import type { Graph, Network } from "../graph/graph.ts";
import { type History, historyOf } from "../report/history.ts";
import { bake } from "../selection/fold.ts";
import { type BaselineKind, baselineKinds } from "../training/events/baseline-kinds.ts";
import type { ControlOf, RunFinished } from "../training/events/events.ts";
import type { Run } from "../training/finish/run.ts";
import { loadTogether } from "../training/run-folder/broadcast.ts";
import { readEvents } from "../training/run-folder/event-log.ts";
import { requireKeptFiles } from "../training/run-folder/kept-files.ts";
import { runFiles } from "../training/run-folder/run-folder.ts";
import { type RunRecord, readRunRecord } from "../training/run-folder/run-record.ts";
import { clusterFor, type RunOptions } from "../training/session/run-scope.ts";
import type { SettingsInput } from "../training/settings/settings.ts";
import { withNewNorms } from "../training/start/batch-norms/restore.ts";
import { type DataSource, reopenData } from "../training/start/data/run-data.ts";
import { train } from "../training/train.ts";
import { baselineSettings } from "./settings.ts";
import { uniformNetwork } from "./uniform-network.ts";

export interface ControlOptions extends RunOptions {
  /**
   * "epochs" (default): the pruned architecture for as many epochs as the run. "macs": the same for as many epochs as
   * take the run's training MACs. "uniform": for as many epochs, the run's full network with all widths times one
   * number, so that it has as many MACs as the pruned one.
   */
  readonly kind?: BaselineKind;
  /** Default: the run's seed. */
  readonly seed?: number;
  /** Default: the run's folder with `-control`, `-control-macs`, `-control-uniform` or `-control-seed-2` appended. */
  readonly folder?: string;
  /** The data again, if the run was started with an open dataset that has no name or folder. */
  readonly data?: DataSource;
}

/** A finished run, for which a from-scratch baseline can be trained. */
export interface Finished {
  readonly folder: string;
  readonly record: RunRecord;
  readonly history: History;
}

/**
 * Trains the from-scratch baseline of the finished run in `folder`: its compact architecture from new weights, with its
 * settings and data, without factors. The baseline of a run that was taught its original's outputs is taught them too.
 * A baseline that was stopped is continued with `resume`, as any run.
 *
 * @throws UserError "missing-file" if `folder` is not a run; "bad-option" if the run is not finished, is a from-scratch
 * baseline itself or pruned nothing; "run-exists" if the baseline exists already; "checksum" if the data or the teacher
 * is not the same; and the errors of `train`.
 */
export async function control(folder: string, options: ControlOptions = {}): Promise<Run> {
  requireArguments("control", { folder: [folder, "text"], options: [options, "object"] });
  const { kind = "epochs", seed, folder: chosen, data, ...hooks } = options;
  requireOneOf("control", "options.kind", kind, baselineKinds);
  const cluster = await clusterFor(hooks);
  const run = await cluster.onFirst(() => readFinished(folder));
  const { record } = run;
  const isUniform = kind === "uniform";
  // Without the file's header: the baseline takes only the architecture from the run.
  const load = async (name: string): Promise<Network> => {
    const { graph, weights } = await loadTogether(join(run.folder, name), cluster);
    const { header: _, ...own } = graph;
    return { graph: own, weights };
  };
  const { macs } = required(run.history.finished, "the end of the run").after;
  const written = isUniform
    ? uniformNetwork(bake(await load(runFiles.network)).graph, macs)
    : (await load(runFiles.compact)).graph;
  // The run trained with batch norms that its files have merged.
  const graph = record.restoredNorms === undefined ? written : withNewNorms(written);
  const same = kind === "macs" ? "macs" : "epochs";
  const { settings, trainingMacs } = planControl(run, graph, same);
  const isTaught = record.settings.teach !== undefined;
  if (isTaught) await cluster.onFirst(() => requireKeptFiles(run.folder, record.files, [runFiles.teacher]));
  const teacher = isTaught ? await loadTogether(join(run.folder, runFiles.teacher), cluster) : undefined;
  const place = resolve(chosen ?? controlFolder(run.folder, kind, seed));
  const dataset = await reopenData(record, data);
  // Exporters give many networks the same name. The record has the one by which runs are compared.
  const own = { ...graph, name: record.model };
  return train(own, {
    ...settings,
    ...optional({ seed, teacher }),
    ...hooks,
    folder: place,
    data: { spec: record.data.source, open: async () => dataset },
    controlOf: {
      run: record.name,
      folder: relative(place, run.folder),
      same,
      trainingMacs,
      ...optional({ widths: isUniform ? "uniform" : undefined }),
    },
  });
}

/** Default folder of the from-scratch baseline of the run in `folder`. */
export function controlFolder(folder: string, kind: BaselineKind = "epochs", seed?: number): string {
  const parts = ["control", ...(kind === "epochs" ? [] : [kind]), ...(seed === undefined ? [] : [`seed-${seed}`])];
  return join(dirname(folder), `${basename(folder)}-${parts.join("-")}`);
}

/**
 * Reads the run in `folder`, which must be finished and have pruned something.
 * @throws UserError "missing-file" if `folder` is not a run; "bad-option" if the run is not finished, is a from-scratch
 * baseline or pruned nothing.
 */
export async function readFinished(folder: string): Promise<Finished> {
  const path = resolve(folder);
  const record = await readRunRecord(path);
  const history = historyOf(await readEvents(path));
  const { finished } = history;
  const refuse = (what: string, hint: string): UserError => new UserError("bad-option", what, { about: folder, hint });
  if (finished === undefined) {
    throw refuse(
      "the run is not finished: the architecture of its from-scratch baseline is not known yet",
      `Finish it with "espalier resume ${folder}"`,
    );
  }
  if (record.controlOf !== undefined) {
    throw refuse(`the run is itself the from-scratch baseline of ${record.controlOf.run}`, "Name that run instead");
  }
  if (isUncut(finished)) {
    throw refuse(
      "the run pruned nothing: its from-scratch baseline would be the same training again",
      "Train with a larger sparsity strength γ, or train the model with another --seed",
    );
  }
  return { folder: path, record, history };
}

/** What a run was taught by: the baseline of such a run learns the same outputs of the same original. */
function taughtSettings({
  teach,
  teachTemperature,
  outputWeights,
  outputKinds,
}: RunRecord["settings"]): Partial<SettingsInput> {
  return teach === undefined ? {} : { teach, ...optional({ teachTemperature, outputWeights, outputKinds }) };
}

/** Whether a finished run has pruned nothing. */
export function isUncut({ before, after }: RunFinished): boolean {
  return after.macs === before.macs && after.parameters === before.parameters;
}

/** A training step takes as many MACs as three forward passes: backward passes take twice as many as forward ones. */
const PASSES_OF_STEP = 3;

/** MACs for an image that the original's answers to it add, if a run learns from them, counted as `trainingMacs` is. */
function teacherMacs({ options: { distill = false, teach }, cost: { macs } }: History["started"]): number {
  return distill === false && teach === undefined ? 0 : Math.round(macs / PASSES_OF_STEP);
}

/**
 * MACs of the forward passes over all training images of a run, with the network's cost at each step. The passes of a
 * teacher, which have no backward ones, count a third.
 */
export function trainingMacs({ started, shrinks, finished }: History, batch: number): number {
  let [macs, from, sum] = [started.cost.macs, 0, 0];
  for (const { cut } of shrinks) {
    sum += macs * (cut.step - from);
    [macs, from] = [cut.after.macs, cut.step];
  }
  // A hook may have ended the run early.
  const steps = finished?.step ?? started.totalSteps;
  return batch * (sum + macs * (steps - from) + teacherMacs(started) * steps);
}

/** Settings of the from-scratch baseline with the architecture `graph`, and the training MACs of the run and of it. */
export function planControl(
  { record, history }: Finished,
  graph: Graph,
  same: ControlOf["same"],
): { readonly settings: SettingsInput; readonly trainingMacs: ControlOf["trainingMacs"] } {
  const { batch } = record.settings;
  const run = trainingMacs(history, batch);
  const { started, finished } = history;
  const perEpoch = batch * started.stepsPerEpoch * cost(graph).macs;
  const trained = (finished?.step ?? started.totalSteps) / started.stepsPerEpoch;
  const epochs = Math.max(1, Math.round(same === "epochs" ? trained : run / perEpoch));
  return {
    settings: { ...baselineSettings(record.settings), ...taughtSettings(record.settings), epochs },
    trainingMacs: { run, control: epochs * perEpoch },
  };
}
