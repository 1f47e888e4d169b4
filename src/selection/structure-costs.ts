/**
 * What each structure costs, everything coupled to it included; and γ by that cost,
 *
 *     γ_i = γ · c_i / c̄        c_i: cost of structure i, c̄: mean cost of the structures of its kind,
 *
 * so that the penalty of a kind stays what it would be in all, and presses where there is more to gain.
 */
import type { Cost } from "../graph/cost.ts";
import type { Graph } from "../graph/graph.ts";
import { type CostKind, type CostModel, costKinds, costModel } from "./cost-model.ts";
import { type Factor, type FactorKind, factorKinds } from "./factors.ts";
import { NetworkParts } from "./structure-parts.ts";

/** How γ is shared out among the structures of a kind. */
export type GammaMeasure = "none" | CostKind;
export const gammaMeasures: readonly ["none", ...typeof costKinds] = ["none", ...costKinds];

export interface FactorCost {
  readonly factor: Factor;
  /** Of each structure alone, were it cut from the whole network. */
  readonly each: readonly Cost[];
  /** Of all of the factor's structures together: a weight between two of them counts once. */
  readonly all: Cost;
  /** Layers with weights that lose outputs with a structure; for a block, that go with it. */
  readonly outputsOf: readonly string[];
  /** Layers with weights that lose inputs with it. */
  readonly inputsOf: readonly string[];
}

export interface StructureCosts {
  readonly factors: readonly FactorCost[];
  /** Of all structures of each kind there is, together. */
  readonly kinds: ReadonlyMap<FactorKind, Cost>;
}

/** Costs of the structures of `factors`, which are those of `graph`. */
export function structureCosts(graph: Graph, factors: readonly Factor[]): StructureCosts {
  const parts = new NetworkParts(graph, factors);
  const models = costKinds.map((kind) => costModel(graph, factors, kind, { parts }));
  const byKind = (costOf: (model: CostModel) => number): Cost => {
    const [macs = 0, parameters = 0] = models.map(costOf);
    return { macs, parameters };
  };
  let next = 0;
  const numbered = factors.map((factor) => ({
    factor,
    numbers: Array.from({ length: factor.count }, () => next++),
  }));
  const together = (numbers: readonly number[]): Cost =>
    byKind((model) => {
      const pruned = new Uint8Array(next);
      for (const number of numbers) pruned[number] = 1;
      return model.whole - model.remaining(pruned).left;
    });
  const counts = models.map((model) => model.remaining());
  return {
    factors: numbered.map(({ factor, numbers }) => ({
      factor,
      each: numbers.map((number) => {
        const [macs = 0, parameters = 0] = counts.map((count) => count.gain(number));
        return { macs, parameters };
      }),
      all: together(numbers),
      ...parts.nodesOf(factor),
    })),
    kinds: new Map(
      factorKinds.flatMap((kind): [FactorKind, Cost][] => {
        const own = numbered.filter(({ factor }) => factor.kind === kind);
        return own.length === 0 ? [] : [[kind, together(own.flatMap(({ numbers }) => numbers))]];
      }),
    ),
  };
}

/** `factors` of `graph` with their γ shared out by `measure`. */
export function shareGamma(graph: Graph, factors: readonly Factor[], measure: GammaMeasure): readonly Factor[] {
  if (measure === "none" || factors.length === 0) return factors;
  const model = costModel(graph, factors, measure);
  const means = meanCosts(model, factors);
  const remaining = model.remaining();
  let number = 0;
  return factors.map((factor) => {
    const mean = means.get(factor.kind) ?? 0;
    const scale = Array.from({ length: factor.count }, () => {
      const gain = remaining.gain(number++);
      return mean > 0 ? gain / mean : 1;
    });
    const [first = 1] = scale;
    return { ...factor, gammaScale: scale.every((value) => value === first) ? [first] : scale };
  });
}

/** By kind: the mean cost of a structure, each alone pruned from the whole network. `model`: of the same factors. */
export function meanCosts(model: CostModel, factors: readonly Factor[]): ReadonlyMap<FactorKind, number> {
  const remaining = model.remaining();
  const sums = new Map<FactorKind, { cost: number; structures: number }>();
  let number = 0;
  for (const { kind, count } of factors) {
    const sum = sums.get(kind) ?? { cost: 0, structures: 0 };
    for (let index = 0; index < count; index++) sum.cost += remaining.gain(number++);
    sum.structures += count;
    sums.set(kind, sum);
  }
  return new Map([...sums].map(([kind, { cost, structures }]) => [kind, cost / structures] as const));
}
