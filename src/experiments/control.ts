/**
 * The control of a run: what remained of its network, trained again from new weights. A pruned network is worth its
 * training if it is at least as good as that, at equal epochs or at equal MACs of training.
 */
import { basename, dirname, join, relative, resolve } from "node:path";
import { UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { cost } from "../graph/cost.ts";
import type { Graph } from "../graph/graph.ts";
import { type History, historyOf } from "../report/history.ts";
import type { ControlOf, RunFinished } from "../training/events.ts";
import type { Run } from "../training/run.ts";
import { loadTogether } from "../training/run-folder/broadcast.ts";
import { readEvents } from "../training/run-folder/event-log.ts";
import { runFiles } from "../training/run-folder/run-folder.ts";
import { type RunRecord, readRunRecord } from "../training/run-folder/run-record.ts";
import { clusterFor, type RunOptions } from "../training/run-scope.ts";
import type { SettingsInput } from "../training/settings/settings.ts";
import { type DataSource, reopenData } from "../training/start/run-data.ts";
import { train } from "../training/train.ts";
import { controlSettings } from "./settings.ts";

export interface ControlOptions extends RunOptions {
  /** "epochs" (the default): as many as the run; "macs": as many as take the MACs that training the run took. */
  readonly same?: ControlOf["same"];
  /** Default: the run's. */
  readonly seed?: number;
  /** Default: the run's folder with `-control`, `-control-macs` or `-control-seed-2` behind its name. */
  readonly folder?: string;
  /** The data again, if it was an open dataset that no name or folder stands for. */
  readonly data?: DataSource;
}

/** A run that a control can be made of. */
export interface Finished {
  readonly folder: string;
  readonly record: RunRecord;
  readonly history: History;
}

/**
 * Trains the compact architecture of the finished run in `folder` from new weights, with its settings and data and
 * without factors. A control that was stopped is continued with `resume`, as any run.
 *
 * @throws UserError "missing-file" if this is no run, "bad-option" if it is not finished, is a control itself or lost
 * nothing, "run-exists" if the control is there already, "checksum" if the data is not the same; and what `train`
 * throws.
 */
export async function control(folder: string, options: ControlOptions = {}): Promise<Run> {
  const { same = "epochs", seed, folder: chosen, data, ...hooks } = options;
  const cluster = await clusterFor(hooks);
  const run = await cluster.onFirst(() => readFinished(folder));
  const { record } = run;
  // Without what the run's own file said of itself: only the architecture is the run's.
  const { header: _, ...graph } = (await loadTogether(join(run.folder, runFiles.compact), cluster)).graph;
  const { settings, trainingMacs } = planControl(run, graph, same);
  const place = resolve(chosen ?? controlFolder(run.folder, same, seed));
  const dataset = await reopenData(record, data);
  return train(graph, {
    ...settings,
    ...optional("seed", seed),
    ...hooks,
    folder: place,
    data: { spec: record.data.source, open: async () => dataset },
    controlOf: { run: record.name, folder: relative(place, run.folder), same, trainingMacs },
  });
}

/** Where the control of the run in `folder` is kept unless a caller says otherwise. */
export function controlFolder(folder: string, same: ControlOf["same"] = "epochs", seed?: number): string {
  const parts = ["control", ...(same === "macs" ? ["macs"] : []), ...(seed === undefined ? [] : [`seed-${seed}`])];
  return join(dirname(folder), `${basename(folder)}-${parts.join("-")}`);
}

/**
 * Reads the run in `folder`, which must have come to its end with something cut out.
 * @throws UserError "missing-file" if this is no run, "bad-option" if it is not finished, is a control or lost nothing.
 */
export async function readFinished(folder: string): Promise<Finished> {
  const path = resolve(folder);
  const record = await readRunRecord(path);
  const history = historyOf(await readEvents(path));
  const { finished } = history;
  const refuse = (what: string, hint: string): UserError => new UserError("bad-option", what, { about: folder, hint });
  if (finished === undefined) {
    throw refuse(
      "the run is not finished: what its control would have to be is not known yet",
      `Finish it with "espalier resume ${folder}"`,
    );
  }
  if (record.controlOf !== undefined) {
    throw refuse(`the run is itself the control of ${record.controlOf.run}`, "Name the run that it is the control of");
  }
  if (isUncut(finished)) {
    throw refuse(
      "nothing was cut out of the run's network: its control would be the same training again",
      "Train with a larger sparsity strength γ, or train the model with another --seed",
    );
  }
  return { folder: path, record, history };
}

/** Whether a run came to its end with the network it began with. */
export function isUncut({ before, after }: RunFinished): boolean {
  return after.macs === before.macs && after.parameters === before.parameters;
}

/** MACs of the forward passes over all images that `history` tells were trained on, by the network as it was then. */
export function trainingMacs({ started, shrinks, finished }: History, batch: number): number {
  let [macs, from, sum] = [started.cost.macs, 0, 0];
  for (const { cut } of shrinks) {
    sum += macs * (cut.step - from);
    [macs, from] = [cut.after.macs, cut.step];
  }
  // A hook may have ended it early.
  return batch * (sum + macs * ((finished?.step ?? started.totalSteps) - from));
}

/** Settings of the control whose architecture is `graph`, and the MACs its training takes beside the run's. */
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
    settings: { ...controlSettings(record.settings), epochs },
    trainingMacs: { run, control: epochs * perEpoch },
  };
}
