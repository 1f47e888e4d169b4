/** The plans of a network in training: one for the training step, one for scoring. A cut needs new plans. */

import { accumulate } from "../../autodiff/accumulate.ts";
import { forRanks } from "../../autodiff/data-parallel.ts";
import {
  type LearningRateInput,
  type LearningRates,
  learningRatesOf,
  type WeightDecays,
} from "../../autodiff/parameter-kinds.ts";
import { trainingGraph } from "../../autodiff/training-graph.ts";
import { optional } from "../../core/optional.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import { type KernelChoices, type Precision, type PrepareOptions, precisions } from "../../engine/engine.ts";
import type { EngineHost, PlanHandle } from "../../engine/host.ts";
import { prepareOnRanks } from "../../engine/prepare-on-ranks.ts";
import {
  type Graph,
  type Network,
  type OptimizerStateKind,
  optimizerStateKinds,
  type Weights,
} from "../../graph/graph.ts";
import type { TaughtTerm } from "../../graph/ops.ts";
import { simulateIntegers } from "../../quantization/simulate.ts";
import { type Factor, keptFactors } from "../../selection/factors.ts";
import { fold } from "../../selection/fold.ts";
import type { Background } from "../background/background.ts";
import type { AveragingSettings } from "../settings/averaging.ts";
import type { DistillSettings, PrecisionChoice } from "../settings/table.ts";
import type { OptimizerState } from "./full-size-state.ts";

export interface LiveNetworkOptions {
  readonly host: EngineHost;
  readonly background: Background;
  readonly cluster: Cluster;
  readonly factors: readonly Factor[];
  /** Images of this rank in a step, or in a micro-batch. */
  readonly batch: number;
  /** Micro-batches in a step; default 1. */
  readonly accumulate?: number;
  readonly evaluationBatch: number;
  readonly momentum: number;
  readonly weightDecays: WeightDecays;
  readonly learningRates: LearningRates;
  /** Whether Muon trains the weights of hidden convolutions; default: SGD trains all weights. */
  readonly isMuon?: boolean;
  /** "auto": the faster precision, measured when the first plans are prepared. */
  readonly precision: PrecisionChoice;
  readonly syncBatchNorm: boolean;
  /** Whether batches come with soft targets; default: with labels. */
  readonly softTargets?: boolean;
  /** Whether the soft targets of a class do not depend on those of the others; default false. */
  readonly isMultiLabel?: boolean;
  /** Whether the scales of batch norms are not trained; default false. */
  readonly fixScales?: boolean;
  readonly clipNorm?: number;
  /** How averaged weights are used, if there are any. */
  readonly averaging?: AveragingSettings["kind"];
  /** The parameters of the head, if it is trained alone first. */
  readonly head?: readonly string[];
  /** Names of the layers that stay on floats while integers are simulated; default: none. */
  readonly keep?: ReadonlySet<string>;
  /** Default "batch". */
  readonly batchNormalization?: "batch" | "frozen";
  /** The teacher network, without factors, and the weight of its answers in the loss. */
  readonly teacher?: DistillSettings & { readonly network: Network };
  /** The original network whose outputs are taught, without factors, and the terms of the loss. */
  readonly taught?: { readonly network: Network; readonly terms: readonly TaughtTerm[] };
}

/** Kernel choices of the plans. */
export interface PlanChoices {
  readonly training: KernelChoices;
  readonly evaluation: KernelChoices;
  readonly teacher?: KernelChoices;
}

/** A parameter of the training plan that contains the optimizer's state for parameter `of`. */
export interface StateParameter {
  readonly name: string;
  readonly kind: OptimizerStateKind;
  readonly of: string;
}

export interface Plans {
  readonly training: PlanHandle;
  /** Inference form, with the weights of the last scoring. */
  readonly evaluation: PlanHandle;
  readonly learningRates: readonly LearningRateInput[];
  /** Names of the network's own parameters. */
  readonly parameters: readonly string[];
  /** The optimizer's state in the training plan. */
  readonly state: readonly StateParameter[];
  /** If integers are simulated: value that is rounded → the parameter of the training plan with its range. */
  readonly ranges: ReadonlyMap<string, string> | undefined;
}

/** How plans are prepared. */
export interface Preparation extends Pick<PrepareOptions, "tuningSeconds"> {
  /**
   * Whether steps simulate 8-bit integers; then batch norms keep their statistics, and steps are computed in f32: bf16
   * rounds as coarsely as the integers do. Default false.
   */
  readonly isSimulated?: boolean;
}

/** Less time for timing kernels after a cut: most choices still fit, and training waits meanwhile. */
export const AFTER_A_CUT = { tuningSeconds: 0.75 } as const;

/** Prepares the plans of `graph`, whose factors are `factors`. Throws the errors of `prepare`. */
export async function preparePlans(
  options: LiveNetworkOptions,
  graph: Graph,
  factors: readonly Factor[],
  choices: PlanChoices,
  { isSimulated = false, ...tuning }: Preparation = {},
): Promise<Plans> {
  const { host, cluster, batch, evaluationBatch, precision, learningRates } = options;
  const folded = fold(graph);
  const simulation = isSimulated ? simulateIntegers(graph, optional({ keep: options.keep })) : undefined;
  const step = stepGraph(options, simulation?.graph ?? folded, factors, isSimulated);
  return {
    training: await prepareOnRanks(cluster, choices.training, (known) =>
      host.prepare(step, { batch, precision: isSimulated ? "f32" : precision, choices: known, ...tuning }),
    ),
    evaluation: await prepareOnRanks(cluster, choices.evaluation, (known) =>
      host.prepare(folded, { batch: evaluationBatch, choices: known, ...tuning }),
    ),
    learningRates: learningRatesOf(step.inputs, learningRates),
    parameters: graph.parameters.map(({ name }) => name),
    state: step.parameters.flatMap(({ name, kind, of }) => {
      const found = optimizerStateKinds.find((one) => one === kind);
      return found === undefined || of === undefined ? [] : [{ name, kind: found, of }];
    }),
    ranges: simulation?.ranges,
  };
}

/** The graph of a training step of this rank: of all micro-batches, with gradients summed over ranks. */
function stepGraph(options: LiveNetworkOptions, graph: Graph, factors: readonly Factor[], isSimulated: boolean): Graph {
  const { batch, momentum, weightDecays, learningRates, syncBatchNorm, clipNorm, head, teacher } = options;
  const { isMuon = false } = options;
  const { accumulate: parts = 1, softTargets = false, isMultiLabel = false, fixScales = false } = options;
  const ranks = options.cluster.size;
  const part = trainingGraph(graph, {
    batch: syncBatchNorm ? batch * ranks : batch,
    sgd: { momentum, weightDecay: weightDecays },
    learningRates,
    muon: isMuon,
    factors: { momentum, ...keptFactors(factors) },
    batchNormalization: isSimulated ? "frozen" : (options.batchNormalization ?? "batch"),
    fixScales,
    loss: {
      targets: isMultiLabel ? "several" : softTargets ? "soft" : "labels",
      ...optional({ teacher, taught: options.taught?.terms }),
    },
    ...optional({ clipNorm, head }),
  });
  return forRanks(accumulate(part, parts), { ranks, synchronizeNormalization: syncBatchNorm });
}

/** The values of `optimizer` by the names of the parameters `state`, as far as it has them. */
export function namesOfState(state: readonly StateParameter[], optimizer: OptimizerState): Weights {
  return new Map(
    state.flatMap(({ name, kind, of }) => {
      const value = optimizer[kind].get(of);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/** Key of the kernel choice that stores the precision that "auto" decided. */
export const PRECISION = "precision";

/** The precision that a run began with: plans that simulate integers do not tell it. */
export function decidedPrecision(asked: PrecisionChoice, { training }: PlanChoices): Precision {
  return precisions.find((one) => one === asked || (asked === "auto" && one === training[PRECISION])) ?? "f32";
}
