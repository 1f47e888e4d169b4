/**
 * The network in training, which is pruned meanwhile. Callers see it in its full size: cut structures have their last
 * weights, and factors of zero.
 */
import { STOP, stopFeed } from "../../autodiff/data-parallel.ts";
import { learningRateFeeds } from "../../autodiff/parameter-kinds.ts";
import { required } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { filled, type Tensor, tensor } from "../../core/tensor.ts";
import { feedsOf } from "../../data/inputs.ts";
import type { TrainingBatch } from "../../data/loader.ts";
import type { Feeds, Precision } from "../../engine/engine.ts";
import type { Classifier } from "../../evaluation/classifier.ts";
import type { Graph, Network, OptimizerStateKind, Weights } from "../../graph/graph.ts";
import { applyStep } from "../../pruning/apply.ts";
import { type CutStep, keptIndices } from "../../pruning/cut-list.ts";
import { narrow, narrowFactors, type Shrinking, widen } from "../../pruning/shrink.ts";
import { type Factor, gammaFeeds } from "../../selection/factors.ts";
import { requireGammas } from "../gamma/gamma-check.ts";
import { DistillationTeacher } from "./distillation-teacher.ts";
import { everyKind, lastWeights, narrowState, type TrainingState } from "./full-size-state.ts";
import { divideFeeds, feedsOfPart, joinResults, nameInPart } from "./micro-batches.ts";
import { OutputTeacher } from "./output-teacher.ts";
import { rangesByParameter, readOptimizer, readRanges } from "./plan-state.ts";
import { shareStatistics } from "./rank-statistics.ts";
import { scoringClassifier } from "./scoring.ts";
import {
  AFTER_A_CUT,
  decidedPrecision,
  type LiveNetworkOptions,
  namesOfState,
  type PlanChoices,
  type Plans,
  PRECISION,
  preparePlans,
} from "./training-plans.ts";

export interface StepOptions {
  readonly learningRate: number;
  /** The learning rate of all parameters but the head, if the head is trained alone first. */
  readonly bodyRate: number;
  /** γ of the full network's structures, by the factors' parameters. */
  readonly gammas: Weights;
  /** Whether this rank was asked to stop. The sums over ranks tell the other ranks. */
  readonly isAborted: boolean;
}

/** The state to open it with: the full network, its optimizer's state, and the cuts so far. */
export interface LiveNetworkStart extends TrainingState {
  /** The full graph. */
  readonly graph: Graph;
  readonly cuts: readonly CutStep[];
  readonly choices: PlanChoices;
}

export class LiveNetwork {
  readonly #options: LiveNetworkOptions;
  readonly #precision: Precision;
  /** Weights of the full network. Cut structures have their last values. */
  #last: Weights;
  #cuts: readonly CutStep[];
  #graph: Graph;
  #factors: readonly Factor[] = [];
  /** γ of the last step for the full network, and the feeds for the pruned one. */
  #gammas: Weights = new Map();
  #gammaFeeds: Feeds = {};
  #plans: Plans;
  /** Averaged weights of the pruned network, from the first update on. */
  #average: Weights | undefined;
  /** Number of ranks that were asked to stop, from the last step. */
  #stopping = 0;
  readonly #teacher: DistillationTeacher | OutputTeacher | undefined;

  private constructor(
    options: LiveNetworkOptions & { readonly precision: Precision },
    { weights, optimizer, cuts }: LiveNetworkStart,
    left: Graph,
    plans: Plans,
    teacher: DistillationTeacher | OutputTeacher | undefined,
  ) {
    this.#options = options;
    this.#precision = options.precision;
    this.#teacher = teacher;
    this.#last = weights;
    this.#cuts = cuts;
    this.#graph = left;
    this.#plans = plans;
    this.#average = optimizer.average;
    this.#setPruned(cuts, left);
  }

  /** Applies `start.cuts` and prepares the plans, with `start`'s state and kernels. Throws the errors of `prepare`. */
  static async open(options: LiveNetworkOptions, start: LiveNetworkStart): Promise<LiveNetwork> {
    const { graph, weights, optimizer, cuts, choices } = start;
    const left = cuts.reduce(applyStep, { graph, weights } satisfies Network);
    const factors = narrowFactors(options.factors, cuts, left.weights);
    const isSimulated = optimizer.range !== undefined;
    const plans = await preparePlans(options, left.graph, factors, choices, { isSimulated });
    const state = narrowState(optimizer, cuts);
    await plans.training.write(
      new Map([...left.weights, ...namesOfState(plans.state, state), ...rangesByParameter(plans, optimizer.range)]),
    );
    const precision = isSimulated ? decidedPrecision(options.precision, choices) : plans.training.precision;
    const { teacher, taught, ...teaching } = { ...options, choices: choices.teacher ?? {} };
    const opened =
      taught !== undefined
        ? await OutputTeacher.open(taught.network, { ...teaching, precision })
        : teacher === undefined
          ? undefined
          : await DistillationTeacher.open(teacher.network, {
              ...teaching,
              precision,
              temperature: teacher.temperature,
            });
    return new LiveNetwork({ ...options, precision }, { ...start, optimizer: state }, left.graph, plans, opened);
  }

  /** The graph in training, without the structures that were cut. */
  get graph(): Graph {
    return this.#graph;
  }

  /** The factors of that graph. */
  get factors(): readonly Factor[] {
    return this.#factors;
  }

  /** The cuts so far. */
  get cuts(): readonly CutStep[] {
    return this.#cuts;
  }

  /** The structures of `factor`, by their indices in the full network, that are not cut. */
  remainingIndices({ parameter, count }: Factor): readonly number[] {
    return keptIndices(this.#cuts, parameter, 0, count);
  }

  get choices(): PlanChoices {
    return {
      // A resumed run must not decide the precision again, for a network that was cut since.
      training: { ...this.#plans.training.choices, [PRECISION]: this.precision },
      evaluation: this.#plans.evaluation.choices,
      ...(this.#teacher === undefined ? {} : { teacher: this.#teacher.choices }),
    };
  }

  /** Of the run's steps. Those that simulate integers are computed in f32. */
  get precision(): Precision {
    return this.#precision;
  }

  /** The notices of the current plans, each once. */
  get notices(): readonly string[] {
    const { training, evaluation } = this.#plans;
    return [...new Set([...training.notices, ...evaluation.notices, ...(this.#teacher?.notices ?? [])])];
  }

  /** Makes one training step. */
  async step(
    { images, labels, targets, inputs }: Pick<TrainingBatch, "images" | "labels" | "targets" | "inputs">,
    { learningRate, bodyRate, gammas, isAborted }: StepOptions,
  ): Promise<{ readonly loss: number; readonly correct: number }> {
    const { batch, accumulate: parts = 1, taught } = this.#options;
    if (gammas !== this.#gammas) this.#feedGammas(gammas);
    const divided = divideFeeds(
      {
        ...feedsOf(this.#graph.inputs, images, inputs),
        ...(taught !== undefined ? {} : targets === undefined ? { labels } : { targets }),
        ...learningRateFeeds(this.#plans.learningRates, { head: learningRate, body: bodyRate }),
      },
      batch,
      parts,
    );
    const stop = this.#isSummed ? { [stopFeed]: filled([], isAborted ? 1 : 0) } : {};
    const all = { ...divided, ...(await this.#teach(divided, parts)), ...this.#gammaFeeds, ...stop };
    const results = joinResults(await this.#plans.training.run(all), ["loss", "correct"], parts);
    this.#stopping = results[STOP]?.data[0] ?? 0;
    return {
      loss: required(results["loss"]?.data[0], "the loss"),
      correct: required(results["correct"]?.data[0], "the count of correct images"),
    };
  }

  /** Whether to stop before the next step; the same on all ranks. Several ranks know it from the last step's sums. */
  mustStop(isAborted: boolean): boolean {
    return this.#isSummed ? this.#stopping > 0 : isAborted;
  }

  /** Whether a step's gradients are summed with those of other ranks. */
  get #isSummed(): boolean {
    return this.#options.cluster.size > 1;
  }

  /** The teacher's answers to the images of each micro-batch. */
  async #teach(feeds: Feeds, parts: number): Promise<Feeds> {
    if (this.#teacher === undefined) return {};
    const names = this.#graph.inputs.map(({ name }) => name);
    const answers: [string, Tensor][] = [];
    for (let part = 0; part < parts; part++) {
      const own = feedsOfPart(feeds, names, part, parts);
      const given = await this.#teacher.feeds(required(own[names[0] ?? ""], "the images"), own);
      for (const [name, value] of given) answers.push([nameInPart(name, part, parts), value]);
    }
    return Object.fromEntries(answers);
  }

  /** Averages batch-norm statistics and ranges over ranks, so that all ranks have the same network. */
  async shareStatistics(): Promise<void> {
    if (this.#isSummed) await shareStatistics(this.#plans, this.#graph, this.#options);
  }

  /** Reads the state of the pruned network. */
  async read(): Promise<TrainingState> {
    const { training, parameters } = this.#plans;
    return {
      weights: await training.read(parameters),
      optimizer: {
        ...(await readOptimizer(this.#plans)),
        ...optional({ average: this.#average, range: await this.readRanges() }),
      },
    };
  }

  /** Whether steps simulate 8-bit integers. */
  get isSimulated(): boolean {
    return this.#plans.ranges !== undefined;
  }

  /** By the name of each value that is rounded: its range, [2]. Undefined unless integers are simulated. */
  readRanges(): Promise<Weights | undefined> {
    return readRanges(this.#plans);
  }

  /** From the next step on, simulates 8-bit integers with these `ranges` of values. */
  async simulateIntegers(ranges: Weights): Promise<void> {
    const { weights, optimizer } = await this.read();
    await this.#replacePlans(this.#graph, this.#factors, true);
    const { state, training } = this.#plans;
    await training.write(
      new Map([...weights, ...namesOfState(state, optimizer), ...rangesByParameter(this.#plans, ranges)]),
    );
  }

  /** Updates the averaged weights with α = `decay`. With "lookahead" training goes on from them. */
  async average(decay: number): Promise<void> {
    // All ranks must have the same average.
    await this.shareStatistics();
    const { training, parameters } = this.#plans;
    this.#average = await this.#averageOf(await training.read(parameters), decay);
    if (this.#options.averaging === "lookahead") await training.write(this.#average);
  }

  /** Makes the averaged weights those of the network, if "lookahead" has averaged any. May be called again. */
  async endOnAverage(): Promise<void> {
    if (this.#options.averaging === "lookahead" && this.#average !== undefined) await this.average(1);
  }

  #averageOf(live: Weights, decay: number): Promise<Weights> {
    const factors = this.#factors.map(({ parameter }) => parameter);
    const update = { live, decay, factors, average: this.#average };
    return this.#options.background.call("updateAverage", update);
  }

  /** The weights of the pruned network that are scored and exported: averaged ones with "ema". */
  async #results(): Promise<Weights> {
    const { training, parameters } = this.#plans;
    const live = await training.read(parameters);
    return this.#options.averaging === "ema" && this.#average !== undefined ? this.#averageOf(live, 1) : live;
  }

  /** Reads the full network as it is exported. */
  async readResults(): Promise<Weights> {
    const alone = { weights: await this.#results(), optimizer: everyKind(() => new Map()) };
    return (await this.#widened(alone)).weights;
  }

  /** Reads the state in the shapes of the full network; the velocity of cut structures is zero. */
  async readWhole(): Promise<TrainingState> {
    return this.#widened(await this.read());
  }

  /** Reads the factors of the full network and their velocities, both by the factors' names. */
  async readFactorState(): Promise<{ readonly factors: Weights; readonly velocities: Weights }> {
    const velocities = this.#statesOfFactors("velocity");
    const left = await this.#plans.training.read([...velocities.keys(), ...velocities.values()]);
    const whole = (parameter: string, value: Tensor | undefined): Tensor => {
      const { shape } = required(this.#last.get(parameter), parameter);
      return value === undefined ? tensor(shape) : widen(value, this.#cuts, parameter, tensor(shape));
    };
    const all = this.#options.factors.map(({ parameter }) => parameter);
    return {
      factors: new Map(all.map((name) => [name, whole(name, left.get(name))] as const)),
      velocities: new Map(all.map((name) => [name, whole(name, left.get(velocities.get(name) ?? ""))] as const)),
    };
  }

  /** For each factor that is left, by its name: the number of steps that each structure has been at zero. */
  async readStepsAtZero(): Promise<Weights> {
    const names = this.#statesOfFactors("held");
    const held = await this.#plans.training.read([...names.values()]);
    return new Map([...names].map(([parameter, name]) => [parameter, required(held.get(name), name)] as const));
  }

  /** Factor parameter → the parameter of the training plan with its state of `kind`. */
  #statesOfFactors(kind: OptimizerStateKind): ReadonlyMap<string, string> {
    const names = new Map(
      this.#plans.state.filter((one) => one.kind === kind).map(({ name, of }) => [of, name] as const),
    );
    return new Map(
      this.#factors.map(({ parameter }) => [parameter, required(names.get(parameter), parameter)] as const),
    );
  }

  /** A classifier with the current weights, or their average. This object owns its plan. */
  async classifier(): Promise<Classifier> {
    const { evaluation } = this.#plans;
    await evaluation.write(await this.#results());
    return scoringClassifier(evaluation, this.#graph, this.#options);
  }

  /** Replaces the network by that of `shrinking`, which was found for the current graph and state. */
  async shrink({ network, steps }: Shrinking): Promise<void> {
    const { background } = this.#options;
    const state = await this.read();
    const cuts = [...this.#cuts, ...steps];
    const last = lastWeights((await this.#widened(state)).weights, this.#options.factors, cuts, { network, steps });
    await this.#replacePlans(network.graph, narrowFactors(this.#options.factors, cuts, network.weights), false);
    const plans = this.#plans;
    // The new plan has no state for the structures that are gone.
    const moving = everyKind((kind) => {
      const own = plans.state.filter((one) => one.kind === kind);
      return new Map(own.map(({ of }) => [of, required(state.optimizer[kind].get(of), `${kind} of "${of}"`)] as const));
    });
    const { average } = state.optimizer;
    const averages = average === undefined ? {} : { average: namedIn(network.weights, average) };
    const optimizer = await background.call("narrowState", { optimizer: { ...moving, ...averages }, steps });
    await plans.training.write(new Map([...network.weights, ...namesOfState(plans.state, optimizer)]));
    this.#last = last;
    this.#cuts = cuts;
    this.#average = optimizer.average;
    this.#setPruned(cuts, network.graph);
  }

  /** Frees all plans. */
  async dispose(): Promise<void> {
    await this.#disposePlans();
    await this.#teacher?.dispose();
  }

  /** Frees the plans before it prepares the new ones, because there may not be memory for both. */
  async #replacePlans(graph: Graph, factors: readonly Factor[], isSimulated: boolean): Promise<void> {
    const { choices } = this;
    await this.#disposePlans();
    this.#plans = await preparePlans(this.#options, graph, factors, choices, { ...AFTER_A_CUT, isSimulated });
  }

  async #disposePlans(): Promise<void> {
    await this.#plans.training.dispose();
    await this.#plans.evaluation.dispose();
  }

  /** Notes the `graph` that `cuts` leave, and feeds γ to its factors from now on. */
  #setPruned(cuts: readonly CutStep[], graph: Graph): void {
    this.#graph = graph;
    const parameters = new Set(graph.parameters.map(({ name }) => name));
    this.#factors = narrowFactors(this.#options.factors, cuts, parameters);
    if (this.#gammas.size > 0) this.#feedGammas(this.#gammas);
  }

  #feedGammas(gammas: Weights): void {
    requireGammas(gammas, this.#options.factors);
    this.#gammas = gammas;
    this.#gammaFeeds = gammaFeeds(
      new Map(
        this.#factors.map(({ parameter }) => {
          const whole = required(gammas.get(parameter), `γ of "${parameter}"`);
          return [parameter, narrow(whole, this.#cuts, parameter)] as const;
        }),
      ),
    );
  }

  /** `left` in the shapes of the full network. */
  async #widened(left: TrainingState): Promise<TrainingState> {
    if (this.#cuts.length === 0) return left;
    const widening = { cuts: this.#cuts, last: this.#last };
    return this.#options.background.call("wholeState", { left, widening });
  }
}

/** The `values` of parameters that `left` has too. */
function namedIn(left: Weights, values: Weights): Weights {
  return new Map([...values].filter(([name]) => left.has(name)));
}
