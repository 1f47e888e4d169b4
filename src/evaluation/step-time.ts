/**
 * Measures the time of a training step: forward pass, loss, backward pass and optimizers, on random images. It is the
 * step that a run makes, in an engine in its own thread as in a run.
 */
import { performance } from "node:perf_hooks";
import { forRanks, stopFeed } from "../autodiff/data-parallel.ts";
import { trainingGraph } from "../autodiff/training-graph.ts";
import { required, UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { quantile } from "../core/quantile.ts";
import { RandomStream } from "../core/random.ts";
import { elementCount, filled, type Labels, type Shape, type Tensor, tensor } from "../core/tensor.ts";
import type { Cluster } from "../distributed/cluster.ts";
import type { SumTimes } from "../distributed/collectives.ts";
import { SingleProcess } from "../distributed/single-process.ts";
import type { Feeds, PlanStep, PlanTimes, Precision } from "../engine/engine.ts";
import type { EngineHost, PlanHandle } from "../engine/host.ts";
import { prepareOnRanks } from "../engine/prepare-on-ranks.ts";
import type { Graph, Network, Weights } from "../graph/graph.ts";
import { bindBatch, inferShapes } from "../graph/shapes.ts";
import { type Factor, gammaFeeds, gammasOf, keptFactors } from "../selection/factors.ts";
import { fold } from "../selection/fold.ts";

/** The part of an `EngineHost` that is needed to time steps. */
type Host = Pick<EngineHost, "name" | "description" | "prepare"> & Partial<Pick<EngineHost, "takeCommunicationTimes">>;

/** A network to train, and its scaling factors, if any. */
export interface StepSubject {
  readonly network: Network;
  readonly factors: readonly Factor[];
}

/** The inputs of one step: prepare `graph`, write `weights`, run with `feeds`. */
export interface TrainingStep {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly feeds: Feeds;
}

export interface StepTimeOptions {
  /** Images in a step; default 128. */
  readonly batch?: number;
  /** Default "f32". */
  readonly precision?: Precision;
  /** Timed steps; default 20. */
  readonly runs?: number;
  /** Untimed steps before them; default 3. */
  readonly warmUp?: number;
  /** The ranks that make the step together, each with its part of the batch; default: this process alone. */
  readonly cluster?: Cluster;
  /** With several ranks: whether to normalise by the batch statistics of all ranks. */
  readonly syncBatchNorm?: boolean;
  /** With several ranks: bytes of gradients that are summed in one bucket; default as in `dataParallel`. */
  readonly bucketBytes?: number;
  /**
   * Additional runs in which each step of the plan is timed alone; default 0.
   */
  readonly explainRuns?: number;
  readonly onProgress?: (progress: StepTimeProgress) => void;
}

export type StepTimeProgress =
  | { readonly phase: "preparing" }
  | { readonly phase: "timing"; readonly run: number; readonly runs: number }
  | { readonly phase: "explaining" };

export interface ExplainedStep extends PlanStep {
  /** Share of the time of all steps of the plan, 0 … 1. */
  readonly share: number;
}

export interface StepTime {
  /** Communication in the step, with several ranks. */
  readonly communication?: StepCommunication;
  /** Milliseconds from the request to the engine's thread to its response. */
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly runs: number;
  readonly batch: number;
  readonly precision: Precision;
  /** Speed of the median step. */
  readonly imagesPerSecond: number;
  /** Memory of the plan. */
  readonly bytes: number;
  /** The engine's notices about the plan. */
  readonly notices: readonly string[];
  /** Parts of the time over `explainRuns` runs; undefined if that is 0. */
  readonly times: PlanTimes | undefined;
  /** The steps of the plan in execution order; empty if `explainRuns` is 0. */
  readonly steps: readonly ExplainedStep[];
}

/** The sums over ranks in a timed step, means over the runs. */
export interface StepCommunication {
  readonly ranks: number;
  /** Bytes that each rank sums with the others. */
  readonly bytes: number;
  /** Milliseconds in which sums were in progress, and the part of them in which nothing was computed. */
  readonly underWayMilliseconds: number;
  readonly exposedMilliseconds: number;
  /** The sums of the last step, by the same rank. */
  readonly sums: readonly SumTimes[];
}

/** The values of `bench/peers/step.py`, so that both do the same work. */
const MOMENTUM = 0.9;
const WEIGHT_DECAY = 5e-4;
const LEARNING_RATE = 0.05;

/**
 * One training step of `subject` on `batch` normally distributed images, whose labels cycle through the classes. Images
 * and labels are in shared memory, as in a run. Inputs besides the images get random numbers too. Throws
 * `UserError("unsupported")` unless the network has one output, and the errors of `trainingGraph`.
 */
export function randomStep(subject: StepSubject, batch: number): TrainingStep {
  return { ...stepOf(subject, batch), feeds: randomFeeds(subject, batch) };
}

function stepOf(
  { network, factors }: StepSubject,
  batch: number,
  { cluster = new SingleProcess(), syncBatchNorm = false, bucketBytes }: StepTimeOptions = {},
): Omit<TrainingStep, "feeds"> {
  const { graph, weights } = network;
  const [logits, ...otherOutputs] = graph.outputs;
  if (graph.inputs.length === 0 || logits === undefined || otherOutputs.length > 0) {
    throw new UserError("unsupported", "the network does not have images as input and exactly one output", {
      about: graph.name,
      expected: "images in, logits out",
      received: `${graph.inputs.length} inputs, ${graph.outputs.length} outputs`,
      hint: "Use a classifier with one output of logits",
    });
  }
  const ranks = cluster.size;
  const whole = trainingGraph(fold(graph), {
    batch: syncBatchNorm ? batch * ranks : batch,
    sgd: { momentum: MOMENTUM, weightDecay: WEIGHT_DECAY },
    factors: { momentum: MOMENTUM, ...keptFactors(factors) },
  });
  const parallel = { ranks, synchronizeNormalization: syncBatchNorm, ...optional({ bucketBytes }) };
  return { graph: forRanks(whole, parallel), weights };
}

/** Feeds for a network that `stepOf` accepts. */
function randomFeeds({ network: { graph }, factors }: StepSubject, batch: number): Feeds {
  const logits = required(graph.outputs[0], "the output");
  const [, classes = 1] = required(inferShapes(graph, batch).get(logits), `shape of "${logits}"`);
  return {
    ...Object.fromEntries(
      graph.inputs.map(({ name, shape }, index) => [name, randomNumbers(bindBatch(shape, batch), index)]),
    ),
    labels: labelsInTurn(batch, classes),
    learning_rate: filled([], LEARNING_RATE),
    ...gammaFeeds(gammasOf(factors)),
  };
}

/** Normally distributed numbers for input `index`. */
function randomNumbers(shape: Shape, index: number): Tensor {
  const count = elementCount(shape);
  const numbers = new Float32Array(new SharedArrayBuffer(count * Float32Array.BYTES_PER_ELEMENT));
  const random = new RandomStream(1, index === 0 ? "images" : `input ${index}`);
  for (let place = 0; place < count; place++) numbers[place] = random.normal();
  return tensor(shape, numbers);
}

function labelsInTurn(batch: number, classes: number): Labels {
  const labels = new Int32Array(new SharedArrayBuffer(batch * Int32Array.BYTES_PER_ELEMENT));
  for (let image = 0; image < batch; image++) labels[image] = image % classes;
  return { dtype: "i32", shape: [batch], data: labels };
}

/**
 * Measures the time of a training step of `subject` on `host`. Throws `UserError("bad-option")` for an option that is
 * not a whole number in range, the errors of `randomStep`, and those of `prepare` ("engine-refused" for a precision
 * that the engine does not have).
 */
export async function measureStepTime(
  host: Host,
  subject: StepSubject,
  options: StepTimeOptions = {},
): Promise<StepTime> {
  const { batch: whole = 128, precision = "f32", runs = 20, warmUp = 3, explainRuns = 0 } = options;
  const { onProgress = () => {}, cluster = new SingleProcess() } = options;
  checkCounts({ batch: whole, runs }, 1);
  const batch = Math.floor(whole / cluster.size);
  checkCounts({ warmUp, explainRuns }, 0);
  onProgress({ phase: "preparing" });
  const { graph, weights } = stepOf(subject, batch, options);
  const plan = await prepareOnRanks(cluster, {}, (choices) => host.prepare(graph, { batch, precision, choices }));
  try {
    // After `prepare`, which refuses a batch that does not fit into memory before its images use memory and time.
    const feeds = {
      ...randomFeeds(subject, batch),
      ...(cluster.size === 1 ? {} : { [stopFeed]: filled([], 0) }),
    };
    await plan.write(weights);
    const times: number[] = [];
    for (let run = 1 - warmUp; run <= runs; run++) {
      if (run === 1 && cluster.collectives !== undefined) await host.takeCommunicationTimes?.();
      onProgress({ phase: "timing", run: Math.max(0, run), runs });
      const start = performance.now();
      await plan.run(feeds);
      if (run > 0) times.push(performance.now() - start);
    }
    const sorted = times.toSorted((a, b) => a - b);
    const median = quantile(sorted, 0.5);
    const communication = cluster.collectives && (await communicationOf(cluster, host, runs));
    if (explainRuns > 0) onProgress({ phase: "explaining" });
    return {
      median,
      minimum: quantile(sorted, 0),
      maximum: quantile(sorted, 1),
      runs,
      batch: whole,
      precision,
      ...optional({ communication }),
      imagesPerSecond: (1000 * whole) / median,
      bytes: plan.bytes,
      notices: plan.notices,
      times: explainRuns > 0 ? await plan.times(feeds, explainRuns) : undefined,
      steps: explainRuns > 0 ? await explained(plan, feeds, explainRuns) : [],
    };
  } finally {
    await plan.dispose();
  }
}

/** Takes the rank with the shortest wait, which is communication alone: the others also waited for that rank. */
async function communicationOf(cluster: Cluster, host: Host, runs: number): Promise<StepCommunication> {
  const all = await cluster.gather(required(await host.takeCommunicationTimes?.(), "times of an engine in a cluster"));
  const last = all.reduce((least, times) => (times.waitedMilliseconds < least.waitedMilliseconds ? times : least));
  return {
    ranks: cluster.size,
    bytes: last.bytes / runs,
    underWayMilliseconds: last.underWayMilliseconds / runs,
    exposedMilliseconds: last.waitedMilliseconds / runs,
    sums: last.sums,
  };
}

async function explained(plan: PlanHandle, feeds: Feeds, runs: number): Promise<readonly ExplainedStep[]> {
  const steps = await plan.explain(feeds, runs);
  const total = steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return steps.map((step) => ({ ...step, share: total === 0 ? 0 : step.milliseconds / total }));
}

function checkCounts(options: Readonly<Record<string, number>>, least: number): void {
  for (const [option, value] of Object.entries(options)) {
    if (Number.isInteger(value) && value >= least) continue;
    throw new UserError("bad-option", `${option} is not a whole number in range`, {
      about: option,
      expected: `a whole number from ${least}`,
      received: `${value}`,
      hint: "Leave it out for the default",
    });
  }
}
