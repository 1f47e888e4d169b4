/**
 * Averaged weights: a second set of values that follows those in training. "ema" is an exponential moving average,
 * which is scored and exported while training goes on from its own weights. "lookahead" also continues training from
 * the average (Zhang et al., "Lookahead Optimizer", 2019, in the form of Jordan, "94% on CIFAR-10 in 3.29 Seconds on a
 * Single GPU", 2024): every few steps
 *
 *     average ← α·average + (1 − α)·live      α = decay^every · (step / total)^power
 *
 * Batch-norm statistics are averaged with the weights. The mean of a layer's input is linear in the weights in front of
 * it, so the averaged mean fits the averaged weights; the variance is off by the spread of the weights, squared. A pass
 * over the training images would be exact, but takes long.
 *
 * A factor is zero in the average exactly where it is zero in training. So the same structures are cut from both.
 */
import { UserError } from "../../core/errors.ts";
import { sharedFloats } from "../../core/shared-memory.ts";
import { type Tensor, tensor } from "../../core/tensor.ts";
import type { Weights } from "../../graph/graph.ts";
import type { AveragingSettings } from "../settings/averaging.ts";

/** α of the update after `step` of `total` steps. */
export function averagingDecay({ decay, every, power }: AveragingSettings, step: number, total: number): number {
  return decay ** every * (step / total) ** power;
}

/** @throws UserError "bad-option" if a run of `total` steps ends before the first update. */
export function requireUpdates(averaging: AveragingSettings | undefined, total: number): void {
  if (averaging === undefined || averaging.every <= total) return;
  throw new UserError("bad-option", `the run has ${total} steps and would never average its weights`, {
    about: "averageWeights.every",
    expected: `at most ${total}`,
    received: `${averaging.every}`,
    hint: "Average more often, or train for more epochs",
  });
}

export interface AverageUpdate {
  /** Undefined before the first update: the average then starts as the live weights. */
  readonly average: Weights | undefined;
  readonly live: Weights;
  /** α, 0 … 1; with 1 the average moves only where the zeros of factors have changed. */
  readonly decay: number;
  /** The parameters of scaling factors. */
  readonly factors: readonly string[];
}

/** The next average, in shared memory. */
export function updateAverage({ average, live, decay, factors }: AverageUpdate): Weights {
  const isFactor = new Set(factors);
  return new Map(
    [...live].map(([name, now]) => [name, between(average?.get(name) ?? now, now, decay, isFactor.has(name))] as const),
  );
}

function between(average: Tensor, live: Tensor, decay: number, isFactor: boolean): Tensor {
  const next = sharedFloats(live.data.length);
  for (let index = 0; index < next.length; index++) {
    const now = live.data[index] ?? 0;
    const before = average.data[index] ?? 0;
    if (isFactor && (now === 0 || before === 0)) {
      next[index] = now;
      continue;
    }
    // A value that does not change stays as it is, to the bit.
    next[index] = now === before ? now : before + (1 - decay) * (now - before);
    if (isFactor && next[index] === 0) next[index] = now;
  }
  return tensor(live.shape, next);
}
