/** One training step of ours, prepared in this process, ready to be timed. */
import type { Engine, Feeds, Plan, PlanStep, Precision } from "../../src/engine/engine.ts";
import { randomStep, type StepSubject } from "../../src/evaluation/step-time.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { Subject } from "./interleave.ts";
import { medianOf } from "./statistics.ts";

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

  /**
   * Share of a step's time that is not spent inside a call of oneDNN: feeding, steps on the host, and the walk over the plan.
   * The median of `runs` steps, each with its own whole.
   */
  shareOutsidePrimitives(runs: number): number {
    return medianOf(
      Array.from({ length: runs }, () => {
        const start = performance.now();
        const steps = this.explain(1);
        const whole = performance.now() - start;
        const inside = steps
          .filter(({ implementation }) => implementation !== "host")
          .reduce((sum, { milliseconds }) => sum + milliseconds, 0);
        return 1 - inside / whole;
      }),
    );
  }

  dispose(): void {
    this.#plan.dispose();
  }
}
