/** Converts the state of a pruned network to the shapes of the full network, and back. */
import { required } from "../../core/errors.ts";
import { tensor } from "../../core/tensor.ts";
import { type OptimizerStateKind, optimizerStateKinds, type Weights } from "../../graph/graph.ts";
import type { CutStep } from "../../pruning/cut-list.ts";
import { narrow, widen } from "../../pruning/shrink.ts";

/**
 * What training carries on beside the weights, by the names of their parameters: the optimizer's state of each kind,
 * and the averaged weights if there are any (`weight-average.ts`).
 */
export type OptimizerState = { readonly [K in OptimizerStateKind]: Weights } & { readonly average?: Weights };

const stateKinds = [...optimizerStateKinds, "average"] as const;

export interface TrainingState {
  readonly weights: Weights;
  readonly optimizer: OptimizerState;
}

/** The data that restores the full state from the state of the pruned network. */
export interface Widening {
  readonly cuts: readonly CutStep[];
  /** Weights of the full network. Cut structures have their last values. */
  readonly last: Weights;
}

/** An optimizer state, from a function that returns the values of one kind. */
export function everyKind(stateOf: (kind: OptimizerStateKind) => Weights): OptimizerState {
  return { velocity: stateOf("velocity"), held: stateOf("held"), margin: stateOf("margin") };
}

/** `of` applied to the values of each kind that `optimizer` has. */
export function mapState(optimizer: OptimizerState, of: (values: Weights) => Weights): OptimizerState {
  const { average } = optimizer;
  return {
    ...everyKind((kind) => of(optimizer[kind])),
    ...(average === undefined ? {} : { average: of(average) }),
  };
}

/** All values by the names `<parameter>.<kind>`, which files and messages use. */
export function namedState(optimizer: OptimizerState): Weights {
  return new Map(
    stateKinds.flatMap((kind) =>
      [...(optimizer[kind] ?? [])].map(([parameter, value]) => [`${parameter}.${kind}`, value] as const),
    ),
  );
}

/** The inverse of `namedState`. */
export function stateOfNames(values: Weights): OptimizerState {
  const ofKind = (kind: (typeof stateKinds)[number]): Weights => {
    const own = [...values].filter(([name]) => name.endsWith(`.${kind}`));
    return new Map(own.map(([name, value]) => [name.slice(0, -kind.length - 1), value] as const));
  };
  const average = ofKind("average");
  return { ...everyKind(ofKind), ...(average.size === 0 ? {} : { average }) };
}

/** `left` in the shapes of the full network; the optimizer's state of cut structures is zero. */
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
    optimizer: mapState(left.optimizer, whole),
  };
}

/** As `wholeState`, for the weights alone; cut structures have their last values. */
export function wholeWeights(left: Weights, { cuts, last }: Widening): Weights {
  if (cuts.length === 0) return left;
  return new Map(
    [...last].map(([name, whole]) => {
      const value = left.get(name);
      return [name, value === undefined ? whole : widen(value, cuts, name, whole)] as const;
    }),
  );
}

/** The part of `optimizer` that remains after `steps`. */
export function narrowState(optimizer: OptimizerState, steps: readonly CutStep[]): OptimizerState {
  return mapState(
    optimizer,
    (values) => new Map([...values].map(([name, value]) => [name, narrow(value, steps, name)] as const)),
  );
}

/** A value that is not finite, and the name of its tensor. */
export interface NonFiniteValue {
  readonly name: string;
  readonly value: number;
}

/** The first value of `state` that is not finite. */
export function firstNonFinite({ weights, optimizer }: TrainingState): NonFiniteValue | undefined {
  for (const [name, { data }] of [...weights, ...namedState(optimizer)]) {
    if (areFinite(data)) continue;
    const value = data.find((one) => !Number.isFinite(one));
    if (value !== undefined) return { name, value };
  }
  return undefined;
}

/** Whether all values are finite. One sum is several times as fast as a test of each value. */
function areFinite(data: Float32Array): boolean {
  let sum = 0;
  for (const value of data) sum += value * 0;
  return sum === 0;
}
