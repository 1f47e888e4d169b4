/** A training step of Espalier, prepared in this process. */
import type { Engine, Feeds, Plan, PlanStep, PlanTimes, Precision } from "../../src/engine/engine.ts";
import { randomStep, type StepSubject } from "../../src/evaluation/step-time.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { Subject } from "./interleave.ts";

export class OurStep implements Subject {
  readonly name: string;
  /** The training graph, whose nodes the plan's steps are named after. */
  readonly graph: Graph;
  readonly #plan: Plan;
  readonly #feeds: Feeds;

  constructor(name: string, engine: Engine, subject: StepSubject, batch: number, precision: Precision) {
    const { graph, weights, feeds } = randomStep(subject, batch);
    this.name = name;
    this.graph = graph;
    this.#feeds = feeds;
    this.#plan = engine.prepare(graph, { batch, precision });
    this.#plan.write(weights);
  }

  async round(runs: number): Promise<readonly number[]> {
    return Array.from({ length: runs }, () => {
      const start = performance.now();
      this.#plan.run(this.#feeds);
      return performance.now() - start;
    });
  }

  explain(runs: number): readonly PlanStep[] {
    return this.#plan.explain(this.#feeds, runs);
  }

  /** The parts of the time of `runs` steps. */
  times(runs: number): PlanTimes {
    return this.#plan.times(this.#feeds, runs);
  }

  dispose(): void {
    this.#plan.dispose();
  }
}
