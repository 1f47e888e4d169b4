/**
 * The resources that a run trains with: the engine in its thread, the network in training with its plans, the loader of
 * batches. New and resumed runs open them in the same way.
 */

import { required } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { allInSharedMemory } from "../../core/shared-memory.ts";
import { resolveAugmentation } from "../../data/augmentation.ts";
import type { Dataset } from "../../data/dataset.ts";
import { TrainingLoader } from "../../data/loader.ts";
import type { SoftLabels } from "../../data/mixup-cutmix.ts";
import { stepsPerEpoch } from "../../data/shuffle.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import type { Precision } from "../../engine/engine.ts";
import type { EngineHost } from "../../engine/host.ts";
import type { Graph, Network } from "../../graph/graph.ts";
import type { Rounding } from "../../graph/width-rounding.ts";
import type { LatencyTable } from "../../latency/table.ts";
import type { Factor } from "../../selection/factors.ts";
import type { Background } from "../background/background.ts";
import type { NetworkCost } from "../events/events.ts";
import { LiveNetwork } from "../network/live-network.ts";
import { imagesPerMicroBatch } from "../network/micro-batches.ts";
import type { TaughtOutput } from "../network/taught-output.ts";
import { openTeaching, type Teaching } from "../network/teaching.ts";
import type { LiveNetworkOptions } from "../network/training-plans.ts";
import { CostMeter } from "../progress/cost-meter.ts";
import { EventLoopWatch } from "../progress/event-loop.ts";
import { partOfBatch } from "../ranks/parts.ts";
import type { Checkpoint } from "../run-folder/checkpoint-files.ts";
import { keptFloats } from "../settings/integers.ts";
import type { Settings } from "../settings/settings.ts";
import { teachSettingsOf } from "../settings/teaching.ts";
import { weightDecaysOf } from "../settings/weight-decay.ts";
import { classWeightsOf } from "../start/data/class-balance.ts";
import { usesDistillation } from "../start/distillation.ts";
import { requireHead } from "../start/head/head.ts";

export interface SessionStart {
  readonly settings: Settings;
  readonly factors: readonly Factor[];
  readonly dataset: Dataset;
  /** The checkpoint to start from; step 0 for a new run. */
  readonly checkpoint: Checkpoint;
  readonly host: EngineHost;
  /** The original network, if the settings ask for distillation or to teach its outputs. */
  readonly teacher?: Network;
  /** The times of the network's layers, if the settings ask for latency. */
  readonly latencyTable?: LatencyTable;
  /** What an earlier session has measured of the outputs that are taught. */
  readonly taught?: readonly TaughtOutput[];
  /** The batch norms that were put back for training; the written files have them merged into convolutions again. */
  readonly restoredNorms?: readonly string[];
  /** The thread for work that would block the event loop. */
  readonly background: Background;
  /** The ranks that train together. */
  readonly cluster: Cluster;
}

export interface Session extends SessionStart {
  /** With the precision decided: never "auto". */
  readonly settings: Settings & { readonly precision: Precision };
  /** The full network with factors, without the cuts made during training. */
  readonly graph: Graph;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  readonly network: LiveNetwork;
  readonly costs: CostMeter;
  /** How the widths of the pruned network are rounded up. */
  readonly rounding: Rounding;
  readonly evaluationBatch: number;
  /** Set if the run is taught the original's outputs. */
  readonly teaching?: Teaching;
  readonly loader: TrainingLoader;
  /** It is started with the first step. */
  readonly eventLoop: EventLoopWatch;
}

/** The largest batch for scoring: larger ones only cost memory. */
const LARGEST_EVALUATION_BATCH = 256;

/** The epoch, counted from 1, of step `step`, counted from 0; the last epoch once all steps are done. */
export function epochOf(
  step: number,
  { stepsPerEpoch, settings }: Pick<Session, "stepsPerEpoch" | "settings">,
): number {
  return Math.min(settings.epochs, Math.floor(step / stepsPerEpoch) + 1);
}

/** Soft targets, if smoothing, mixed images, weighted classes or a teacher need them. */
function softLabelsOf(settings: Settings, dataset: Dataset): SoftLabels | undefined {
  const { labelSmoothing, mixing } = settings;
  const { labelSets: sets } = dataset;
  if (sets !== undefined) {
    return { classes: dataset.classes.length, smoothing: labelSmoothing, sets, ...optional({ mixing }) };
  }
  const weights = classWeightsOf(settings, dataset);
  if (labelSmoothing === 0 && mixing === undefined && !usesDistillation(settings) && weights === undefined)
    return undefined;
  return { classes: dataset.classes.length, smoothing: labelSmoothing, ...optional({ mixing, weights }) };
}

function teacherOf({ settings, teacher }: SessionStart): LiveNetworkOptions["teacher"] {
  const { distill = false } = settings;
  if (distill === false) return undefined;
  return { ...distill, network: required(teacher, "the teacher") };
}

async function teachingOf(
  { settings, teacher, dataset, host, taught: known }: SessionStart,
  batch: number,
): Promise<Teaching | undefined> {
  if (settings.teach === undefined) return undefined;
  return openTeaching({
    settings: teachSettingsOf(settings),
    original: required(teacher, "the original"),
    ...{ dataset, host, batch, known },
  });
}

/** The parameters of the head of `graph`, if it is trained alone first. */
function headAlone({ headEpochs }: Settings, graph: Graph): readonly string[] | undefined {
  return headEpochs === undefined ? undefined : requireHead(graph).parameters;
}

/**
 * The rounding of the settings. A budget of latency rounds up to the channels that the runtime computes at once, unless
 * the settings say otherwise: a channel less would save nothing, and may take away the runtime's fast kernels.
 */
export function roundingOf({ round, budget }: Settings, latencyTable: LatencyTable | undefined): Rounding {
  if (round > 1 || budget?.of !== "latency" || latencyTable === undefined) return round;
  return { multiple: latencyTable.channelBlock, narrow: latencyTable.narrow };
}

/** Images in a batch for scoring. */
export function evaluationBatchOf({ batch, accumulate = 1 }: Settings, cluster: Cluster): number {
  return Math.min(imagesPerMicroBatch(partOfBatch(batch, cluster).count, accumulate), LARGEST_EVALUATION_BATCH);
}

/** Prepares the plans with the checkpoint's weights and kernels. Starts the loader where the checkpoint stopped. */
export async function openSession(start: SessionStart): Promise<Session> {
  const { dataset, background, cluster, settings, latencyTable } = start;
  // Threads pass weights to each other without copying them.
  const checkpoint = {
    ...start.checkpoint,
    network: { ...start.checkpoint.network, weights: allInSharedMemory(start.checkpoint.network.weights) },
  };
  const { network: whole, optimizer, progress } = checkpoint;
  const evaluationBatch = evaluationBatchOf(settings, cluster);
  const teaching = await teachingOf(start, evaluationBatch);
  const soft = settings.teach === undefined ? softLabelsOf(settings, dataset) : undefined;
  const network = await LiveNetwork.open(
    {
      ...networkOptionsOf(start, whole.graph),
      evaluationBatch,
      softTargets: soft !== undefined,
      isMultiLabel: dataset.labelSets !== undefined && teaching === undefined,
      ...(teaching === undefined ? {} : { taught: { network: teaching.original, terms: teaching.terms } }),
    },
    { ...whole, optimizer, cuts: progress.cuts, choices: progress.choices },
  );
  const rounding = roundingOf(settings, latencyTable);
  const countLeft = (found: Network): Promise<NetworkCost> =>
    background.call("count", { network: found, round: rounding, ...optional({ latencyTable }) });
  const steps = stepsPerEpoch(dataset.train.count, settings.batch);
  return {
    ...start,
    checkpoint,
    // "auto" is decided once, when the first plans are prepared; checkpoints keep the result with the kernel choices.
    settings: { ...settings, precision: network.precision },
    graph: whole.graph,
    stepsPerEpoch: steps,
    totalSteps: steps * settings.epochs,
    network,
    costs: new CostMeter(whole, countLeft),
    rounding,
    evaluationBatch,
    ...optional({ teaching }),
    loader: loaderFrom(progress.step, steps, start, soft),
    eventLoop: new EventLoopWatch(),
  };
}

/** What the settings say of the network in training, whatever its targets are. */
function networkOptionsOf(
  start: SessionStart,
  graph: Graph,
): Omit<LiveNetworkOptions, "evaluationBatch" | "softTargets" | "isMultiLabel" | "taught"> {
  const { factors, host, background, cluster, settings } = start;
  const { momentum, precision, accumulate = 1, clipNorm } = settings;
  return {
    ...{ host, background, cluster, factors, momentum, precision, accumulate },
    weightDecays: weightDecaysOf(settings),
    learningRates: settings.learningRateOf ?? {},
    isMuon: settings.optimizer === "muon",
    batch: imagesPerMicroBatch(partOfBatch(settings.batch, cluster).count, accumulate),
    syncBatchNorm: settings.syncBatchNorm,
    ...keptFloats(settings),
    fixScales: settings.fixBatchNormScale === true,
    batchNormalization: settings.freezeBatchNorm ? "frozen" : "batch",
    ...optional({ averaging: settings.averageWeights?.kind, clipNorm, teacher: teacherOf(start) }),
    ...optional({ head: headAlone(settings, graph) }),
  };
}

/** The loader of training batches, from step `step` of the run on. */
function loaderFrom(
  step: number,
  perEpoch: number,
  { dataset, settings, cluster }: SessionStart,
  soft: SoftLabels | undefined,
): TrainingLoader {
  return new TrainingLoader({
    split: dataset.train,
    normalization: dataset.normalization,
    augmentation: resolveAugmentation(settings.augment, dataset.augmentation, dataset.train),
    batch: settings.batch,
    part: partOfBatch(settings.batch, cluster),
    seed: settings.seed,
    ...optional({ soft }),
    start: { epoch: Math.floor(step / perEpoch), step: step % perEpoch },
  });
}
