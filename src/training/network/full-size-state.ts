/** The state of a network that has been pruned, in the shape that it had when the run began, and back. */
import { required } from "../../core/errors.ts";
import { tensor } from "../../core/tensor.ts";
import { type OptimizerStateKind, optimizerStateKinds, type Weights } from "../../graph/graph.ts";
import type { CutStep } from "../../pruning/cut-list.ts";
import { narrow, widen } from "../../pruning/shrink.ts";

/** What the optimizer keeps, each kind by the names of the parameters that it is kept for. */
export type OptimizerState = { readonly [K in OptimizerStateKind]: Weights };

export interface TrainingState {
  readonly weights: Weights;
  readonly optimizer: OptimizerState;
}

/** What is needed to tell the whole state from that of what is left. */
export interface Widening {
  readonly cuts: readonly CutStep[];
  /** Of the whole network; where something was cut, what it was last. */
  readonly last: Weights;
}

/** A state of every kind. */
export function everyKind(stateOf: (kind: OptimizerStateKind) => Weights): OptimizerState {
  return { velocity: stateOf("velocity"), held: stateOf("held"), margin: stateOf("margin") };
}

/** All values by names of their own, `<parameter>.<kind>`: as files and messages have them. */
export function namedState(optimizer: OptimizerState): Weights {
  return new Map(
    optimizerStateKinds.flatMap((kind) =>
      [...optimizer[kind]].map(([parameter, value]) => [`${parameter}.${kind}`, value] as const),
    ),
  );
}

/** The way back from `namedState`. */
export function stateOfNames(values: Weights): OptimizerState {
  return everyKind((kind) => {
    const own = [...values].filter(([name]) => name.endsWith(`.${kind}`));
    return new Map(own.map(([name, value]) => [name.slice(0, -kind.length - 1), value] as const));
  });
}

/** `left` in the places that `cuts` leave, in the shape of the whole network; what was cut has a state of zeros. */
export function wholeState(left: TrainingState, { cuts, last }: Widening): TrainingState {
  if (cuts.length === 0) return left;
  const whole = (own: Weights): Weights =>
    new Map(
      [...own].map(([parameter, value]) => {
        const { shape } = required(last.get(parameter), `shape of "${parameter}"`);
        return [parameter, widen(value, cuts, parameter, tensor(shape))] as const;
      }),
    );
  return {
    weights: wholeWeights(left.weights, { cuts, last }),
    optimizer: everyKind((kind) => whole(left.optimizer[kind])),
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

/** What `steps` leave of `optimizer`. */
export function narrowState(optimizer: OptimizerState, steps: readonly CutStep[]): OptimizerState {
  return everyKind(
    (kind) => new Map([...optimizer[kind]].map(([name, value]) => [name, narrow(value, steps, name)] as const)),
  );
}

/** A value that is no finite number, and whose it is. */
export interface Spoilt {
  readonly name: string;
  readonly value: number;
}

/** The first value of `state` that is not finite. */
export function firstSpoilt({ weights, optimizer }: TrainingState): Spoilt | undefined {
  for (const [name, { data }] of [...weights, ...namedState(optimizer)]) {
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
