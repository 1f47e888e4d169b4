/** Reads and names what training plans hold besides the network's own parameters. */
import { required } from "../../core/errors.ts";
import type { OptimizerStateKind, Weights } from "../../graph/graph.ts";
import { everyKind, type OptimizerState } from "./full-size-state.ts";
import type { Plans } from "./training-plans.ts";

/** The optimizer's state in the training plan, of each kind by the parameters it belongs to. */
export async function readOptimizer({ training, state }: Plans): Promise<OptimizerState> {
  const values = await training.read(state.map(({ name }) => name));
  const ofKind = (kind: OptimizerStateKind): Weights =>
    new Map(
      state
        .filter((one) => one.kind === kind)
        .map(({ name, of }) => [of, required(values.get(name), `values of "${name}"`)] as const),
    );
  return everyKind(ofKind);
}

/** By value: the ranges in the training plan; undefined unless it simulates integers. */
export async function readRanges({ training, ranges }: Plans): Promise<Weights | undefined> {
  if (ranges === undefined) return undefined;
  const read = await training.read([...ranges.values()]);
  return new Map([...ranges].map(([value, name]) => [value, required(read.get(name), name)] as const));
}

/** `values`, ranges by value, by the names of the training plan's parameters. */
export function rangesByParameter({ ranges }: Plans, values: Weights | undefined): Weights {
  const named = [...(ranges ?? [])].map(
    ([value, name]) => [name, required(values?.get(value), `range of "${value}"`)] as const,
  );
  return new Map(named);
}
