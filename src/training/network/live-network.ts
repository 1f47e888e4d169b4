/**
 * The network while it is trained, and pruned on the way. Outside of here it keeps the shape that it began with: what
 * was cut has the weights that it had last, and factors at zero.
 */
import { inBatch } from "../../autodiff/accumulate.ts";
import { STOP, stopFeed } from "../../autodiff/data-parallel.ts";
import { required, UserError } from "../../core/errors.ts";
import { filled, type Tensor, tensor } from "../../core/tensor.ts";
import type { TrainingBatch } from "../../data/loader.ts";
import type { Feeds, Precision } from "../../engine/engine.ts";
import { type Classifier, planClassifier } from "../../evaluation/classifier.ts";
import type { Graph, Network, OptimizerStateKind, ParameterKind, Weights } from "../../graph/graph.ts";
import { applyStep } from "../../pruning/apply.ts";
import { type CutStep, keptIndices } from "../../pruning/cut-list.ts";
import { narrow, narrowFactors, type Shrinking, structuresLeft, widen } from "../../pruning/shrink.ts";
import { type Factor, gammaFeeds } from "../../selection/factors.ts";
import { everyKind, narrowState, type OptimizerState, type TrainingState, wholeWeights } from "./full-size-state.ts";
import { divideFeeds, joinResults } from "./micro-batches.ts";
import { Teacher } from "./teacher.ts";
import {
  AFTER_A_CUT,
  type LiveNetworkOptions,
  type PlanChoices,
  type Plans,
  preparePlans,
  type StateParameter,
} from "./training-plans.ts";

export interface StepOptions {
  readonly learningRate: number;
  /** Of the whole network's factors, by their parameters. */
  readonly gammas: Weights;
  /** Whether this rank was asked to stop: the others hear of it with their sums. */
  readonly isAborted: boolean;
}

/** What it is opened with: the whole network, and how far it has come. */
export interface LiveNetworkStart extends TrainingState {
  /** As the run began. */
  readonly graph: Graph;
  readonly cuts: readonly CutStep[];
  readonly choices: PlanChoices;
}

export class LiveNetwork {
  readonly #options: LiveNetworkOptions;
  readonly #imagesInput: string;
  /** Of the whole network; where something was cut, what it was last. */
  #last: Weights;
  #cuts: readonly CutStep[];
  #graph: Graph;
  #factors: readonly Factor[] = [];
  /** γ of the whole network as of the last step, and of what is left, as it is fed. */
  #gammas: Weights = new Map();
  #gammaFeeds: Feeds = {};
  #plans: Plans;
  /** Ranks that were asked to stop, as of the last step. */
  #stopping = 0;
  readonly #teacher: Teacher | undefined;

  private constructor(
    options: LiveNetworkOptions,
    { graph, weights, cuts }: LiveNetworkStart,
    left: Graph,
    plans: Plans,
    teacher: Teacher | undefined,
  ) {
    this.#options = options;
    this.#teacher = teacher;
    this.#imagesInput = required(graph.inputs[0], "the network's input").name;
    this.#last = weights;
    this.#cuts = cuts;
    this.#graph = left;
    this.#plans = plans;
    this.#follow(cuts, left);
  }

  /** Prepares the plans for what `start.cuts` leave, with its state and its kernels. Throws what `prepare` throws. */
  static async open(options: LiveNetworkOptions, start: LiveNetworkStart): Promise<LiveNetwork> {
    const { graph, weights, optimizer, cuts, choices } = start;
    const left = cuts.reduce(applyStep, { graph, weights } satisfies Network);
    const factors = narrowFactors(options.factors, cuts, left.weights);
    const plans = await preparePlans(options, left.graph, factors, choices);
    await plans.training.write(new Map([...left.weights, ...namesOfState(plans.state, narrowState(optimizer, cuts))]));
    const { precision } = plans.training;
    const { teacher, ...teaching } = { ...options, choices: choices.teacher ?? {} };
    const opened =
      teacher === undefined
        ? undefined
        : await Teacher.open(teacher.network, { ...teaching, precision, temperature: teacher.temperature });
    return new LiveNetwork({ ...options, precision }, start, left.graph, plans, opened);
  }

  /** What is trained now. */
  get graph(): Graph {
    return this.#graph;
  }

  /** The factors it has. */
  get factors(): readonly Factor[] {
    return this.#factors;
  }

  /** What was cut so far. */
  get cuts(): readonly CutStep[] {
    return this.#cuts;
  }

  /** Of `factor` of the whole network: which of its structures are left. */
  numbersOf({ parameter, count }: Factor): readonly number[] {
    return keptIndices(this.#cuts, parameter, 0, count);
  }

  get choices(): PlanChoices {
    return {
      // So that a resumed run does not decide it again, for a network that was cut since.
      training: { ...this.#plans.training.choices, [PRECISION]: this.precision },
      evaluation: this.#plans.evaluation.choices,
      ...(this.#teacher === undefined ? {} : { teacher: this.#teacher.choices }),
    };
  }

  get precision(): Precision {
    return this.#plans.training.precision;
  }

  /** What is to be known of the plans as they are now, each once. */
  get notices(): readonly string[] {
    const { training, evaluation } = this.#plans;
    return [...new Set([...training.notices, ...evaluation.notices, ...(this.#teacher?.notices ?? [])])];
  }

  /** One training step, along the batch's gradient. */
  async step(
    { images, labels, targets }: Pick<TrainingBatch, "images" | "labels" | "targets">,
    { learningRate, gammas, isAborted }: StepOptions,
  ): Promise<{ readonly loss: number; readonly correct: number }> {
    const { batch, accumulate: parts = 1 } = this.#options;
    if (gammas !== this.#gammas) this.#feedGammas(gammas);
    const divided = divideFeeds(
      {
        [this.#imagesInput]: images,
        ...(targets === undefined ? { labels } : { targets }),
        learning_rate: tensor([], Float32Array.of(learningRate)),
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
      correct: required(results["correct"]?.data[0], "the count of right answers"),
    };
  }

  /** Whether to stop before the next step: all ranks are of one mind. Several of them know it from the last step. */
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
    const answers: [string, Tensor][] = [];
    for (let part = 0; part < parts; part++) {
      const nameOf = (name: string): string => (parts === 1 ? name : inBatch(name, part));
      const images = feeds[nameOf(this.#imagesInput)];
      const targets = this.#teacher.targets(required(images?.dtype === "f32" ? images : undefined, "the images"));
      answers.push([nameOf("teacher"), await targets]);
    }
    return Object.fromEntries(answers);
  }

  /** Gives all ranks the mean of their running statistics, so that they hold the same network. */
  async shareStatistics(): Promise<void> {
    const { cluster, syncBatchNorm } = this.#options;
    if (!this.#isSummed || syncBatchNorm) return;
    const { training } = this.#plans;
    const names = this.#graph.parameters.flatMap(({ name, kind }) => (isStatistic(kind) ? [name] : []));
    const own = [...(await training.read(names))];
    const sums = await cluster.sum(own.flatMap(([, { data }]) => [...data]));
    let offset = 0;
    const means = own.map(([name, { shape, data }]) => {
      const mean = Float32Array.from(data, (_, index) => (sums[offset + index] ?? 0) / cluster.size);
      offset += data.length;
      return [name, tensor(shape, mean)] as const;
    });
    await training.write(new Map(means));
  }

  /** The state of what is left. */
  async read(): Promise<TrainingState> {
    const { training, parameters } = this.#plans;
    return { weights: await training.read(parameters), optimizer: await this.#readOptimizer() };
  }

  async #readOptimizer(): Promise<OptimizerState> {
    const { training, state } = this.#plans;
    const values = await training.read(state.map(({ name }) => name));
    return everyKind(
      (kind) =>
        new Map(
          state
            .filter((one) => one.kind === kind)
            .map(({ name, of }) => [of, required(values.get(name), `values of "${name}"`)] as const),
        ),
    );
  }

  /** The state in the shape of the whole network; what was cut has no velocity. */
  async readWhole(): Promise<TrainingState> {
    return this.#widened(await this.read());
  }

  /** The factors of the whole network. */
  async readFactors(): Promise<Weights> {
    const names = this.#factors.map(({ parameter }) => parameter);
    const left = await this.#plans.training.read(names);
    const now = wholeWeights(left, { cuts: this.#cuts, last: this.#last });
    return new Map(this.#options.factors.map(({ parameter }) => [parameter, required(now.get(parameter), parameter)]));
  }

  /** The factors of the whole network and their velocities, both by the factors' names. */
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

  /** Of the factors that are left, by their names: for how many steps each structure has been held at zero. */
  async readHeld(): Promise<Weights> {
    const names = this.#statesOfFactors("held");
    const held = await this.#plans.training.read([...names.values()]);
    return new Map([...names].map(([parameter, name]) => [parameter, required(held.get(name), name)] as const));
  }

  /** Factor parameter → the parameter of the training plan that holds its `kind`. */
  #statesOfFactors(kind: OptimizerStateKind): ReadonlyMap<string, string> {
    const names = new Map(
      this.#plans.state.filter((one) => one.kind === kind).map(({ name, of }) => [of, name] as const),
    );
    return new Map(
      this.#factors.map(({ parameter }) => [parameter, required(names.get(parameter), parameter)] as const),
    );
  }

  /** The network as it is now, ready to be asked. It belongs to this network. */
  async classifier(): Promise<Classifier> {
    const { training, evaluation, parameters } = this.#plans;
    await evaluation.write(await training.read(parameters));
    return planClassifier(evaluation, this.#graph, this.#options.evaluationBatch);
  }

  /** Goes on with what `shrinking`, found for the graph and the state as they are now, leaves. */
  async shrink({ network, steps }: Shrinking): Promise<void> {
    const { background } = this.#options;
    const state = await this.read();
    const cuts = [...this.#cuts, ...steps];
    const last = new Map((await this.#widened(state)).weights);
    for (const factor of this.#options.factors) {
      const { parameter } = factor;
      const alive = new Set(structuresLeft(factor, cuts, network.weights));
      const { shape, data } = required(last.get(parameter), parameter);
      last.set(
        parameter,
        tensor(
          shape,
          data.map((value, index) => (alive.has(index) ? value : 0)),
        ),
      );
    }
    // A branch that has become a constant is its shift alone, in the whole network as well.
    for (const step of steps) {
      for (const { mean } of step.kind === "constant" ? step.branches : []) {
        last.set(mean, tensor(required(last.get(mean), mean).shape));
      }
    }
    const { choices } = this;
    // Before the new plans are made: there may not be memory for both.
    await this.#disposePlans();
    const factors = narrowFactors(this.#options.factors, cuts, network.weights);
    const plans = await preparePlans(this.#options, network.graph, factors, choices, AFTER_A_CUT);
    // What is gone is not among the new plan's.
    const moving = everyKind((kind) => {
      const own = plans.state.filter((one) => one.kind === kind);
      return new Map(own.map(({ of }) => [of, required(state.optimizer[kind].get(of), `${kind} of "${of}"`)] as const));
    });
    const optimizer = await background.call("narrowState", { optimizer: moving, steps });
    await plans.training.write(new Map([...network.weights, ...namesOfState(plans.state, optimizer)]));
    this.#last = last;
    this.#cuts = cuts;
    this.#plans = plans;
    this.#follow(cuts, network.graph);
  }

  /** Frees all plans. */
  async dispose(): Promise<void> {
    await this.#disposePlans();
    await this.#teacher?.dispose();
  }

  async #disposePlans(): Promise<void> {
    await this.#plans.training.dispose();
    await this.#plans.evaluation.dispose();
  }

  #follow(cuts: readonly CutStep[], left: Graph): void {
    this.#graph = left;
    const parameters = new Set(left.parameters.map(({ name }) => name));
    this.#factors = narrowFactors(this.#options.factors, cuts, parameters);
    if (this.#gammas.size > 0) this.#feedGammas(this.#gammas);
  }

  #feedGammas(gammas: Weights): void {
    for (const { parameter, count } of this.#options.factors) {
      const given = gammas.get(parameter)?.data.length ?? 0;
      if (given === count) continue;
      throw new UserError("bad-option", "the γ policy does not give one γ a structure", {
        about: parameter,
        expected: `${count} numbers`,
        received: `${given}`,
        hint: "Start from what gammasOf(run.factors) returns",
      });
    }
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

  /** `left` in the shape of the whole network. */
  async #widened(left: TrainingState): Promise<TrainingState> {
    if (this.#cuts.length === 0) return left;
    const widening = { cuts: this.#cuts, last: this.#last };
    return this.#options.background.call("wholeState", { left, widening });
  }
}

/** `optimizer` by the names of the parameters `state`, as far as it has something for them. */
function namesOfState(state: readonly StateParameter[], optimizer: OptimizerState): Weights {
  return new Map(
    state.flatMap(({ name, kind, of }) => {
      const value = optimizer[kind].get(of);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

function isStatistic(kind: ParameterKind): boolean {
  return kind === "running_mean" || kind === "running_variance";
}

/** The choice that decides `PrepareOptions.precision` "auto". */
const PRECISION = "precision";
