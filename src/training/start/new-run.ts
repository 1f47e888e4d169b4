/** Prepares a new run with a complete network: decides on distillation, records the run, writes its first files. */
import { basename, join } from "node:path";
import { optional } from "../../core/optional.ts";
import type { Network } from "../../graph/graph.ts";
import type { LatencyTable } from "../../latency/table.ts";
import type { Factor } from "../../selection/factors.ts";
import { bake } from "../../selection/fold.ts";
import type { ControlOf } from "../events/events.ts";
import { requireSameInputs } from "../ranks/same-inputs.ts";
import type { Checkpoint } from "../run-folder/checkpoint-files.ts";
import { describeEnvironment } from "../run-folder/environment.ts";
import {
  createNumberedRunFolder,
  createRunFolder,
  DEFAULT_RUNS_FOLDER,
  requireUnused,
} from "../run-folder/run-folder.ts";
import { hashData, hashWeights, type RunRecord } from "../run-folder/run-record.ts";
import { sealOf } from "../run-folder/seal.ts";
import type { PreparedRun } from "../run-to-end.ts";
import { engineOf, type RunOptions, type RunResources } from "../session/run-scope.ts";
import { evaluationBatchOf } from "../session/session.ts";
import type { Settings } from "../settings/settings.ts";
import { carriedNotices } from "./carried-notices.ts";
import { hasTeacher, withDistillationDecided } from "./distillation.ts";
import { type InitialAccuracy, measureInitialAccuracy } from "./initial-accuracy.ts";
import type { ModelAndData } from "./model-and-data.ts";
import { type RunStart, withKeptFiles, writeStart } from "./run-start.ts";

/** Options of a new run beside its settings. */
export interface NewRunOptions {
  /** The run's folder; default `runs/<name>`. */
  readonly folder?: string;
  /** For a from-scratch baseline: the run it belongs to. `run.json` keeps it; see `experiments/control.ts`. */
  readonly controlOf?: ControlOf;
  /** For a from-scratch baseline of a run that was taught outputs: the network whose outputs are taught. */
  readonly teacher?: Network;
}

/** A new run whose network is complete. Nothing is written yet. */
export interface NewRun extends ModelAndData {
  /** With its factors and all weights. */
  readonly network: Network;
  readonly factors: readonly Factor[];
  readonly latencyTable: LatencyTable | undefined;
  /** The batch norms that were put back, by name, and a sentence about them. */
  readonly restoration: { readonly norms: readonly string[]; readonly notice?: string };
}

/** Measures the accuracy of trained weights, and decides by it whether the run distils from them. */
export async function prepareNewRun(
  newRun: NewRun,
  resources: RunResources,
  options: NewRunOptions & RunOptions,
): Promise<PreparedRun> {
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
  restoration: { norms },
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
  { network, factors, notices, restoration: { notice: restoredNotice } }: NewRun,
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
