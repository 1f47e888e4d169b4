/**
 * Policies for γ, the sparsity strength, during a run. A policy returns the γ of each structure before each step. It is
 * also a hook: it is called after each step and epoch, and its state is part of the checkpoint.
 */
import type { Weights } from "../../graph/graph.ts";
import { gammasOf } from "../../selection/factors.ts";
import type { EventBody } from "../events/events.ts";
import type { RunHook, TrainingRun } from "../hooks/run-hook.ts";

export interface GammaPolicy extends RunHook {
  /**
   * γ of each structure in the next step: a map by the factors' parameters, each value in the shape of its factor, as
   * `gammasOf` makes. Called before every step. Return the same map while γ does not change: that is fast.
   */
  gammas(run: TrainingRun): Weights;
  /** An event about the policy's progress, emitted with each `step` event. */
  progressEvent?(): EventBody;
  /**
   * Whether the network with these factors, by their parameters, has the structures that the policy aims at. It depends
   * on them and on `state()` alone. Default: the policy aims at none.
   */
  isReached?(factors: Weights): boolean;
}

/** The γ of the settings from the first step to the last. */
export class ConstantGamma implements GammaPolicy {
  readonly name: string = "constant";
  #gammas: Weights | undefined;

  gammas({ factors }: Pick<TrainingRun, "factors">): Weights {
    this.#gammas ??= gammasOf(factors);
    return this.#gammas;
  }
}

/** γ = 0 for some steps, in which the factors train as other weights do; then as `ConstantGamma`. */
export class DelayedGamma implements GammaPolicy {
  readonly name: string = "delayed";
  readonly #steps: number;
  #before: Weights | undefined;
  readonly #after = new ConstantGamma();

  /** `steps`: the number of steps without γ. */
  constructor(steps: number) {
    this.#steps = steps;
  }

  gammas(run: Pick<TrainingRun, "step" | "factors">): Weights {
    if (run.step >= this.#steps) return this.#after.gammas(run);
    this.#before ??= gammasOf(run.factors, 0);
    return this.#before;
  }
}
