/**
 * The teacher of a run without labels: the original network, in a plan of its own. Its outputs for the same images are
 * the targets of the loss.
 */
import { taughtInput } from "../../autodiff/loss.ts";
import { required } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { type BatchInputs, feedsOf } from "../../data/inputs.ts";
import type { KernelChoices } from "../../engine/engine.ts";
import type { PlanHandle } from "../../engine/host.ts";
import type { Graph, Network } from "../../graph/graph.ts";
import { withoutLastSoftmax } from "../../graph/taught-outputs.ts";
import type { TeacherFeeds, TeacherOptions } from "./distillation-teacher.ts";

export class OutputTeacher {
  readonly #plan: PlanHandle;
  readonly #graph: Graph;

  private constructor(plan: PlanHandle, graph: Graph) {
    this.#plan = plan;
    this.#graph = graph;
  }

  /** `network`: without factors, in inference form. Throws the errors of `prepare`. */
  static async open(
    network: Network,
    { host, batch, precision, choices }: Omit<TeacherOptions, "temperature">,
  ): Promise<OutputTeacher> {
    const graph = withoutLastSoftmax(network.graph);
    const plan = await host.prepare(graph, { batch, precision, choices });
    await plan.write(network.weights);
    return new OutputTeacher(plan, graph);
  }

  get choices(): KernelChoices {
    return this.#plan.choices;
  }

  get notices(): readonly string[] {
    return this.#plan.notices;
  }

  /** The outputs for `images`, by the inputs of the training graph that take them. */
  async feeds(images: Tensor, inputs?: BatchInputs): Promise<TeacherFeeds> {
    const results = await this.#plan.run(feedsOf(this.#graph.inputs, images, inputs));
    return this.#graph.outputs.map((name) => [taughtInput(name), required(results[name], `output "${name}"`)]);
  }

  async dispose(): Promise<void> {
    await this.#plan.dispose();
  }
}
