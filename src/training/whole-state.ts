/** The state of a network that has shrunk, in the shape it had when the run began, and back. */
import { parameterOfState } from "../autodiff/training-graph.ts";
import { required } from "../core/errors.ts";
import { tensor } from "../core/tensor.ts";
import type { Weights } from "../graph/graph.ts";
import type { CutStep } from "../pruning/cut-list.ts";
import { narrow, widen } from "../pruning/shrink.ts";

/** Values of the network's parameters, and what the optimizer keeps beside them, by the training graph's names. */
export interface TrainingState {
  readonly weights: Weights;
  readonly velocities: Weights;
}

/** What is needed to tell the whole state from that of what is left. */
export interface Widening {
  readonly cuts: readonly CutStep[];
  /** Of the whole network; where something was cut, what it was last. */
  readonly last: Weights;
}

/** `left` in the places that `cuts` leave, in the shape of the whole network; what was cut has no velocity. */
export function wholeState(left: TrainingState, { cuts, last }: Widening): TrainingState {
  if (cuts.length === 0) return left;
  return {
    weights: wholeWeights(left.weights, { cuts, last }),
    velocities: wholeVelocities(left.velocities, cuts, last),
  };
}

/** Weights alone; those that `left` lacks are what they were last. */
export function wholeWeights(left: Weights, { cuts, last }: Widening): Weights {
  if (cuts.length === 0) return left;
  return new Map(
    [...last].map(([name, whole]) => {
      const value = left.get(name);
      return [name, value === undefined ? whole : widen(value, cuts, name, whole)] as const;
    }),
  );
}

function wholeVelocities(left: Weights, cuts: readonly CutStep[], last: Weights): Weights {
  return new Map(
    [...left].map(([name, value]) => {
      const parameter = parameterOfState(name);
      const { shape } = required(last.get(parameter), `shape of "${parameter}"`);
      return [name, widen(value, cuts, parameter, tensor(shape))] as const;
    }),
  );
}

/** What `steps` leave of `velocities`, by the training graph's names. */
export function narrowVelocities(velocities: Weights, steps: readonly CutStep[]): Weights {
  return new Map([...velocities].map(([name, value]) => [name, narrow(value, steps, parameterOfState(name))] as const));
}

/** A value that is no finite number, and whose it is. */
export interface Spoilt {
  readonly name: string;
  readonly value: number;
}

/** The first value of `state` that is not finite. */
export function firstSpoilt({ weights, velocities }: TrainingState): Spoilt | undefined {
  for (const [name, { data }] of [...weights, ...velocities]) {
    if (areFinite(data)) continue;
    const value = data.find((one) => !Number.isFinite(one));
    if (value !== undefined) return { name, value };
  }
  return undefined;
}

/** Whether all of `data` is; one sum is several times as fast as a test of each value. */
function areFinite(data: Float32Array): boolean {
  let sum = 0;
  for (const value of data) sum += value * 0;
  return sum === 0;
}
