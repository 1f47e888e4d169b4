/**
 * The network while it is trained: the plans of a training step and of scoring, made anew when the network shrinks. Outside of
 * here the network keeps the shape it began with: what was cut has the weights it had last, and factors at zero.
 */
import { parameterOfState, trainingGraph } from "../autodiff/training-graph.ts";
import { required } from "../core/errors.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import type { Feeds, KernelChoices, Precision, Results } from "../engine/engine.ts";
import type { EngineHost, PlanHandle } from "../engine/host.ts";
import { type Classifier, planClassifier } from "../evaluation/classifier.ts";
import type { Graph, Network, Weights } from "../graph/graph.ts";
import { applyStep } from "../pruning/apply.ts";
import { type CutStep, keptIndices } from "../pruning/cut-list.ts";
import { narrow, narrowFactors, type Shrinking, structuresLeft, widen } from "../pruning/shrink.ts";
import { type Factor, gammaFeeds, keptFactors } from "../selection/factors.ts";
import { fold } from "../selection/fold.ts";
import type { DistillSettings } from "./options.ts";
import { Teacher } from "./teacher.ts";

export interface TraineeOptions {
  readonly host: EngineHost;
  readonly factors: readonly Factor[];
  readonly batch: number;
  readonly evaluationBatch: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly precision: Precision;
  /** Whether batches come with soft targets; default: with labels. */
  readonly softTargets?: boolean;
  readonly clipNorm?: number;
  /** Default "batch". */
  readonly batchNormalization?: "batch" | "frozen";
  /** Without factors; what it answers has this part in the loss. */
  readonly teacher?: DistillSettings & { readonly network: Network };
}

/** Values of the network's parameters, and what the optimizer keeps beside them, by the training graph's names. */
export interface TrainingState {
  readonly weights: Weights;
  readonly velocities: Weights;
}

/** Kernels of both plans. */
export interface TraineeChoices {
  readonly training: KernelChoices;
  readonly evaluation: KernelChoices;
  readonly teacher?: KernelChoices;
}

interface Plans {
  readonly training: PlanHandle;
  /** Inference form; its weights are those of the last scoring. */
  readonly evaluation: PlanHandle;
  /** Names of the network's own parameters, and of the optimizer's state. */
  readonly parameters: { readonly network: readonly string[]; readonly velocities: readonly string[] };
}

/** What a trainee is opened with: the whole network, and how far it has come. */
export interface TraineeStart extends TrainingState {
  /** As the run began. */
  readonly graph: Graph;
  readonly cuts: readonly CutStep[];
  readonly choices: TraineeChoices;
}

export class Trainee {
  readonly #options: TraineeOptions;
  readonly #whole: Graph;
  /** Of the whole network; where something was cut, what it was last. */
  #last: Weights;
  #cuts: readonly CutStep[];
  #graph: Graph;
  #factors: readonly Factor[] = [];
  #gammas: Feeds = {};
  #plans: Plans;
  readonly #teacher: Teacher | undefined;

  private constructor(
    options: TraineeOptions,
    { graph, weights, cuts }: TraineeStart,
    left: Graph,
    plans: Plans,
    teacher: Teacher | undefined,
  ) {
    this.#options = options;
    this.#teacher = teacher;
    this.#whole = graph;
    this.#last = weights;
    this.#cuts = cuts;
    this.#graph = left;
    this.#plans = plans;
    this.#follow(cuts, left);
  }

  /** Prepares the plans for what `start.cuts` leave, with its state and its kernels. Throws what `prepare` throws. */
  static async open(options: TraineeOptions, start: TraineeStart): Promise<Trainee> {
    const { graph, weights, velocities, cuts, choices } = start;
    const left = cuts.reduce(applyStep, { graph, weights } satisfies Network);
    const factors = narrowFactors(options.factors, cuts, left.weights);
    const plans = await preparePlans(options, left.graph, factors, choices);
    const known = plans.parameters.velocities.flatMap((name) => {
      const value = velocities.get(name);
      return value === undefined ? [] : [[name, narrow(value, cuts, parameterOfState(name))] as const];
    });
    await plans.training.write(new Map([...left.weights, ...known]));
    const { teacher, ...teaching } = { ...options, choices: choices.teacher ?? {} };
    const opened =
      teacher === undefined
        ? undefined
        : await Teacher.open(teacher.network, { ...teaching, temperature: teacher.temperature });
    return new Trainee(options, start, left.graph, plans, opened);
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

  get choices(): TraineeChoices {
    return {
      training: this.#plans.training.choices,
      evaluation: this.#plans.evaluation.choices,
      ...(this.#teacher === undefined ? {} : { teacher: this.#teacher.choices }),
    };
  }

  /** What is to be known of the plans as they are now, each once. */
  get notices(): readonly string[] {
    const { training, evaluation } = this.#plans;
    return [...new Set([...training.notices, ...evaluation.notices, ...(this.#teacher?.notices ?? [])])];
  }

  /** One training step. `feeds`: images, labels or targets, and learning rate. */
  async run(feeds: Feeds): Promise<Results> {
    if (this.#teacher === undefined) return this.#plans.training.run({ ...feeds, ...this.#gammas });
    const images = feeds[required(this.#whole.inputs[0], "the network's input").name];
    const teacher = await this.#teacher.targets(required(images?.dtype === "f32" ? images : undefined, "the images"));
    return this.#plans.training.run({ ...feeds, teacher, ...this.#gammas });
  }

  /** The state of what is left. */
  async read(): Promise<TrainingState> {
    const { training, parameters } = this.#plans;
    return { weights: await training.read(parameters.network), velocities: await training.read(parameters.velocities) };
  }

  /** The state in the shape of the whole network; what was cut has no velocity. */
  async readWhole(): Promise<TrainingState> {
    const { weights, velocities } = await this.read();
    return { weights: this.#widen(weights), velocities: this.#widenVelocities(velocities) };
  }

  /** The factors of the whole network. */
  async readFactors(): Promise<Weights> {
    const names = this.#factors.map(({ parameter }) => parameter);
    const now = this.#widen(await this.#plans.training.read(names));
    return new Map(this.#options.factors.map(({ parameter }) => [parameter, required(now.get(parameter), parameter)]));
  }

  /** The network as it is now, ready to be asked. It belongs to the trainee. */
  async classifier(): Promise<Classifier> {
    const { training, evaluation, parameters } = this.#plans;
    await evaluation.write(await training.read(parameters.network));
    return planClassifier(evaluation, this.#graph, this.#options.evaluationBatch);
  }

  /** Goes on with what `shrinking`, found for the graph and the state as they are now, leaves. */
  async shrink({ network, steps }: Shrinking): Promise<void> {
    const { velocities } = await this.read();
    const cuts = [...this.#cuts, ...steps];
    const last = new Map((await this.readWhole()).weights);
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
    const { choices } = this;
    // Before the new plans are made: there may not be memory for both.
    await this.#disposePlans();
    const factors = narrowFactors(this.#options.factors, cuts, network.weights);
    const plans = await preparePlans(this.#options, network.graph, factors, choices);
    const moving = plans.parameters.velocities.map((name) => {
      const value = required(velocities.get(name), `values of "${name}"`);
      return [name, narrow(value, steps, parameterOfState(name))] as const;
    });
    await plans.training.write(new Map([...network.weights, ...moving]));
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
    const parameters = new Map(left.parameters.map(({ name, shape }) => [name, tensor(shape)] as const));
    this.#factors = narrowFactors(this.#options.factors, cuts, parameters);
    this.#gammas = gammaFeeds(this.#factors);
  }

  #widen(left: Weights): Weights {
    if (this.#cuts.length === 0) return left;
    return new Map(
      [...this.#last].map(([name, whole]) => {
        const value = left.get(name);
        return [name, value === undefined ? whole : widen(value, this.#cuts, name, whole)] as const;
      }),
    );
  }

  #widenVelocities(left: Weights): Weights {
    const shapes = new Map(this.#whole.parameters.map(({ name, shape }) => [name, shape] as const));
    const widened = ([name, value]: readonly [string, Tensor]): readonly [string, Tensor] => {
      const parameter = parameterOfState(name);
      const shape = required(shapes.get(parameter), `shape of "${parameter}"`);
      return [name, widen(value, this.#cuts, parameter, tensor(shape))];
    };
    return this.#cuts.length === 0 ? left : new Map([...left].map(widened));
  }
}

async function preparePlans(
  options: TraineeOptions,
  graph: Graph,
  factors: readonly Factor[],
  choices: TraineeChoices,
): Promise<Plans> {
  const { host, batch, evaluationBatch, momentum, weightDecay, precision } = options;
  const { softTargets = false, clipNorm, batchNormalization = "batch", teacher } = options;
  const folded = fold(graph);
  const step = trainingGraph(folded, {
    batch,
    sgd: { momentum, weightDecay },
    factors: { momentum, ...keptFactors(factors) },
    batchNormalization,
    loss: { targets: softTargets ? "soft" : "labels", ...(teacher === undefined ? {} : { teacher }) },
    ...(clipNorm === undefined ? {} : { clipNorm }),
  });
  return {
    training: await host.prepare(step, { batch, precision, choices: choices.training }),
    evaluation: await host.prepare(folded, { batch: evaluationBatch, choices: choices.evaluation }),
    parameters: {
      network: graph.parameters.map(({ name }) => name),
      velocities: step.parameters.filter(({ kind }) => kind === "velocity").map(({ name }) => name),
    },
  };
}
