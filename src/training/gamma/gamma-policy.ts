/**
 * γ, the sparsity strength, over a run. A policy says before each step how strongly each structure is pressed; as a
 * hook it also learns how the run gets on, and keeps what it remembers in the checkpoint.
 */
import type { Weights } from "../../graph/graph.ts";
import { gammasOf } from "../../selection/factors.ts";
import type { EventBody } from "../events.ts";
import type { RunHook, TrainingRun } from "../hooks/run-hook.ts";

export interface GammaPolicy extends RunHook {
  /**
   * γ of each structure in the next step, by the factors' parameters, each in the shape of its factor: `gammasOf` makes
   * such a map. Asked before every step; the same map while nothing changes costs nothing.
   */
  gammas(run: TrainingRun): Weights;
  /** How it stands: an event that is told with each report of progress. */
  standing?(): EventBody;
}

/** The γ of each kind, shared out as the settings say, from the first step to the last. */
export class ConstantGamma implements GammaPolicy {
  readonly name: string = "constant";
  #gammas: Weights | undefined;

  gammas({ factors }: Pick<TrainingRun, "factors">): Weights {
    this.#gammas ??= gammasOf(factors);
    return this.#gammas;
  }
}

/** No γ for some steps: the factors train as other weights do. Then as `ConstantGamma`. */
export class DelayedGamma implements GammaPolicy {
  readonly name: string = "delayed";
  readonly #steps: number;
  #before: Weights | undefined;
  readonly #after = new ConstantGamma();

  /** `steps`: those without γ. */
  constructor(steps: number) {
    this.#steps = steps;
  }

  gammas(run: Pick<TrainingRun, "step" | "factors">): Weights {
    if (run.step >= this.#steps) return this.#after.gammas(run);
    this.#before ??= gammasOf(run.factors, 0);
    return this.#before;
  }
}
