/** Converts the state of a pruned network to the shapes of the full network, and back. */
import { required } from "../../core/errors.ts";
import { tensor } from "../../core/tensor.ts";
import { type OptimizerStateKind, optimizerStateKinds, type Weights } from "../../graph/graph.ts";
import type { CutStep } from "../../pruning/cut-list.ts";
import { narrow, type Shrinking, structuresLeft, widen } from "../../pruning/shrink.ts";
import type { Factor } from "../../selection/factors.ts";

/**
 * What training carries on beside the weights, by the names of their parameters: the optimizer's state of each kind,
 * and the averaged weights if there are any (`weight-average.ts`). While integers are simulated, also the range of each
 * value that is rounded, by the value's name.
 */
export type OptimizerState = { readonly [K in OptimizerStateKind]: Weights } & {
  readonly average?: Weights;
  readonly range?: Weights;
};

const extraKinds = ["average", "range"] as const;
const stateKinds = [...optimizerStateKinds, ...extraKinds] as const;

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
  const { average, range } = optimizer;
  return {
    ...everyKind((kind) => of(optimizer[kind])),
    ...(average === undefined ? {} : { average: of(average) }),
    ...(range === undefined ? {} : { range: of(range) }),
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
  const extra = extraKinds.map((kind) => [kind, ofKind(kind)] as const).filter(([, own]) => own.size > 0);
  return { ...everyKind(ofKind), ...Object.fromEntries(extra) };
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
  // Ranges belong to values, which have no channels to widen.
  const { range, ...ofParameters } = left.optimizer;
  return {
    weights: wholeWeights(left.weights, { cuts, last }),
    optimizer: { ...mapState(ofParameters, whole), ...(range === undefined ? {} : { range }) },
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

/** `whole`, the weights of the full network, after the last of `cuts`: of `shrinking`, whose factors become zero. */
export function lastWeights(
  whole: Weights,
  factors: readonly Factor[],
  cuts: readonly CutStep[],
  { network, steps }: Shrinking,
): Weights {
  const last = new Map(whole);
  for (const factor of factors) {
    const { parameter } = factor;
    const alive = new Set(structuresLeft(factor, cuts, network.weights));
    const { shape, data } = required(last.get(parameter), parameter);
    last.set(
      parameter,
      tensor(
        shape,
        data.map((value, index) => (alive.has(index) ? value : 0)),
      ),
    );
  }
  // A branch that became a constant keeps only its shift, in the full network too.
  for (const step of steps) {
    for (const { mean } of step.kind === "constant" ? step.branches : []) {
      last.set(mean, tensor(required(last.get(mean), mean).shape));
    }
  }
  return last;
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
