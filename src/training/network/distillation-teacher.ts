/**
 * The teacher of knowledge distillation: the network before training, in a plan of its own. Its softened answers to the
 * same images are targets of the loss.
 */
import { required } from "../../core/errors.ts";
import { type Tensor, tensor } from "../../core/tensor.ts";
import { type BatchInputs, feedsOf } from "../../data/inputs.ts";
import type { KernelChoices, Precision } from "../../engine/engine.ts";
import type { EngineHost, PlanHandle } from "../../engine/host.ts";
import type { Graph, Network } from "../../graph/graph.ts";
import { endingInLogits, withoutLastSigmoid } from "../../graph/logits.ts";

/** Values by the inputs of the training graph that take them. */
export type TeacherFeeds = readonly (readonly [input: string, value: Tensor])[];

export interface TeacherOptions {
  readonly host: Pick<EngineHost, "prepare">;
  readonly batch: number;
  readonly precision: Precision;
  /** Kernel choices of an earlier plan, so that a resumed run continues bit for bit. */
  readonly choices: KernelChoices;
  readonly temperature: number;
  /** Whether each class is a question of its own; default false. */
  readonly isMultiLabel?: boolean;
}

/** softmax(logits / temperature), row by row; `logits` of shape [rows, classes]. */
export function softened({ shape, data }: Tensor, temperature: number): Tensor {
  const [rows = 0, classes = 0] = shape;
  const result = tensor(shape);
  for (let row = 0; row < rows; row++) {
    const logits = data.subarray(row * classes, (row + 1) * classes);
    const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const powers = Float64Array.from(logits, (logit) => Math.exp((logit - largest) / temperature));
    const sum = powers.reduce((a, b) => a + b, 0);
    result.data.set(
      powers.map((power) => power / sum),
      row * classes,
    );
  }
  return result;
}

/** The sigmoid of each of `logits` / temperature. */
export function softenedEach({ shape, data }: Tensor, temperature: number): Tensor {
  return tensor(
    shape,
    data.map((logit) => 1 / (1 + Math.exp(-logit / temperature))),
  );
}

export class DistillationTeacher {
  readonly #plan: PlanHandle;
  readonly #graph: Graph;
  readonly #output: string;
  readonly #soften: (logits: Tensor) => Tensor;

  private constructor(plan: PlanHandle, graph: Graph, soften: (logits: Tensor) => Tensor) {
    this.#plan = plan;
    this.#graph = graph;
    this.#output = required(graph.outputs[0], "the teacher's output");
    this.#soften = soften;
  }

  /** `network`: without factors, in inference form. Throws the errors of `prepare`. */
  static async open(
    network: Network,
    { host, batch, precision, choices, temperature, isMultiLabel = false }: TeacherOptions,
  ): Promise<DistillationTeacher> {
    const graph = isMultiLabel ? withoutLastSigmoid(network.graph) : endingInLogits(network.graph);
    const soften = isMultiLabel ? softenedEach : softened;
    const plan = await host.prepare(graph, { batch, precision, choices });
    await plan.write(network.weights);
    return new DistillationTeacher(plan, graph, (logits) => soften(logits, temperature));
  }

  get choices(): KernelChoices {
    return this.#plan.choices;
  }

  get notices(): readonly string[] {
    return this.#plan.notices;
  }

  /** The teacher's softened answers to `images`: a distribution over the classes in each row, or probabilities. */
  async targets(images: Tensor, inputs?: BatchInputs): Promise<Tensor> {
    const results = await this.#plan.run(feedsOf(this.#graph.inputs, images, inputs));
    return this.#soften(required(results[this.#output], "the teacher's logits"));
  }

  /** `targets`, by the input of the training graph that takes them. */
  async feeds(images: Tensor, inputs?: BatchInputs): Promise<TeacherFeeds> {
    return [["teacher", await this.targets(images, inputs)]];
  }

  async dispose(): Promise<void> {
    await this.#plan.dispose();
  }
}
