/**
 * What a run trains with: the engine in its thread, the plans of a training step and of scoring, the loader of batches.
 * Opened for a new run and for a resumed one alike, before anything is written.
 */

import { trainingGraph } from "../autodiff/training-graph.ts";
import { resolveAugmentation } from "../data/augmentation.ts";
import type { Dataset } from "../data/dataset.ts";
import { TrainingLoader } from "../data/loader.ts";
import { stepsPerEpoch } from "../data/order.ts";
import type { Precision } from "../engine/engine.ts";
import type { EngineHost, PlanHandle } from "../engine/host.ts";
import type { Graph, Weights } from "../graph/graph.ts";
import { type Factor, keptFactors } from "../selection/factors.ts";
import { fold } from "../selection/fold.ts";
import type { Checkpoint } from "./checkpoints.ts";
import type { PrecisionChoice, Settings } from "./options.ts";

export interface SessionStart {
  readonly settings: Settings;
  readonly factors: readonly Factor[];
  readonly dataset: Dataset;
  /** Where to go on from; step 0 for a new run. */
  readonly checkpoint: Checkpoint;
  readonly host: EngineHost;
}

export interface Session extends SessionStart {
  /** With the precision decided. */
  readonly settings: Settings & { readonly precision: Precision };
  /** With factors, as it is stored. */
  readonly graph: Graph;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  readonly training: PlanHandle;
  /** Inference form; its weights are those of the last scoring. */
  readonly evaluation: PlanHandle;
  readonly evaluationBatch: number;
  readonly loader: TrainingLoader;
  /** Names of the network's own parameters, and of the velocities beside them. */
  readonly parameters: { readonly network: readonly string[]; readonly velocities: readonly string[] };
}

/** The largest batch that scoring uses: larger ones only cost memory. */
const LARGEST_EVALUATION_BATCH = 256;

/** Name of the epoch, counted from 1, that step `step` (counted from 0) belongs to; the last one once all are done. */
export function epochOf(
  step: number,
  { stepsPerEpoch, settings }: Pick<Session, "stepsPerEpoch" | "settings">,
): number {
  return Math.min(settings.epochs, Math.floor(step / stepsPerEpoch) + 1);
}

/** "auto" is decided once, when a run starts: its record, and with it a resumed run, has what was decided. */
function resolvePrecision(chosen: PrecisionChoice, { precisions }: EngineHost): Precision {
  if (chosen !== "auto") return chosen;
  return precisions.includes("bf16") ? "bf16" : "f32";
}

/** Prepares the plans with the checkpoint's weights and kernels and starts the loader where the checkpoint stopped. */
export async function openSession(start: SessionStart): Promise<Session> {
  const { factors, dataset, checkpoint, host } = start;
  const settings = { ...start.settings, precision: resolvePrecision(start.settings.precision, host) };
  const { network, velocities, progress } = checkpoint;
  const { batch, momentum, weightDecay } = settings;
  const folded = fold(network.graph);
  const stepGraph = trainingGraph(folded, {
    batch,
    sgd: { momentum, weightDecay },
    factors: { momentum, ...keptFactors(factors) },
  });
  const steps = stepsPerEpoch(dataset.train.count, batch);
  const evaluationBatch = Math.min(batch, LARGEST_EVALUATION_BATCH);
  const training = await host.prepare(stepGraph, {
    batch,
    precision: settings.precision,
    choices: progress.choices.training,
  });
  await training.write(new Map([...network.weights, ...velocities]));
  const evaluation = await host.prepare(folded, { batch: evaluationBatch, choices: progress.choices.evaluation });
  const loader = new TrainingLoader({
    split: dataset.train,
    normalization: dataset.normalization,
    augmentation: resolveAugmentation(settings.augment, dataset.augmentation, dataset.train),
    batch,
    seed: settings.seed,
    start: { epoch: Math.floor(progress.step / steps), step: progress.step % steps },
  });
  return {
    ...start,
    settings,
    graph: network.graph,
    stepsPerEpoch: steps,
    totalSteps: steps * settings.epochs,
    training,
    evaluation,
    evaluationBatch,
    loader,
    parameters: {
      network: network.graph.parameters.map(({ name }) => name),
      velocities: stepGraph.parameters.filter(({ kind }) => kind === "velocity").map(({ name }) => name),
    },
  };
}

/** The network's weights and the velocities as the training plan holds them now. */
export async function readState({ training, parameters }: Session): Promise<{ weights: Weights; velocities: Weights }> {
  return { weights: await training.read(parameters.network), velocities: await training.read(parameters.velocities) };
}
