/**
 * Computes what each structure costs, with everything that is coupled to it. It also shares out γ by that cost:
 *
 *     γ_i = γ · c_i / c̄        c_i: cost of structure i, c̄: mean cost of the structures of its kind
 *
 * The mean γ of a kind stays the same, and structures that cost more get a larger γ.
 *
 * Latency falls in steps of several channels. A structure's latency is its share of what all structures of its factor
 * cost together.
 */
import { requireArguments, requireOneOf } from "../core/arguments.ts";
import { optional } from "../core/optional.ts";
import type { Cost } from "../graph/cost.ts";
import type { Graph } from "../graph/graph.ts";
import type { LatencyTable } from "../latency/table.ts";
import { type CostKind, type CostModel, costKinds, costModel } from "./cost-model.ts";
import { type Factor, type FactorKind, factorKinds } from "./factors.ts";
import { NetworkParts } from "./structure-parts.ts";

/** The cost by which γ is shared out among the structures of a kind; "none": all have the same γ. */
export type GammaMeasure = "none" | CostKind;
export const gammaMeasures: readonly ["none", ...typeof costKinds] = ["none", ...costKinds];

export interface FactorCost {
  readonly factor: Factor;
  /** By structure: what pruning it alone from the whole network saves. */
  readonly each: readonly Cost[];
  /** What pruning all structures of the factor together saves. A weight between two of them counts once. */
  readonly all: Cost;
  /** The layers with weights that lose outputs with a structure; for a block, the layers that are pruned with it. */
  readonly outputsOf: readonly string[];
  /** The layers with weights that lose inputs with a structure. */
  readonly inputsOf: readonly string[];
}

export interface StructureCosts {
  readonly factors: readonly FactorCost[];
  /** By kind: what pruning all structures of the kind together saves. */
  readonly kinds: ReadonlyMap<FactorKind, Cost>;
}

/** The costs of the structures of `factors`, which are the factors of `graph`; with `latencyTable` latency too. */
export function structureCosts(
  graph: Graph,
  factors: readonly Factor[],
  { latencyTable }: { readonly latencyTable?: LatencyTable } = {},
): StructureCosts {
  requireArguments("structureCosts", { graph: [graph, "graph"], factors: [factors, "factors"] });
  const parts = new NetworkParts(graph, factors);
  const models = costKinds
    .filter((kind) => kind !== "latency" || latencyTable !== undefined)
    .map((kind) => costModel(graph, factors, kind, { parts, ...optional({ latencyTable }) }));
  const byKind = (costOf: (model: CostModel, index: number) => number): Cost => {
    const [macs = 0, parameters = 0, latency] = models.map(costOf);
    return { macs, parameters, ...optional({ latency }) };
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
  const gains = models.map((model) => gainsOf(model, factors));
  return {
    factors: numbered.map(({ factor, numbers }) => ({
      factor,
      each: numbers.map((number) => byKind((_, model) => gains[model]?.[number] ?? 0)),
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

/**
 * By structure, through all `factors`: what pruning it alone saves. If the cost falls in steps, it is the mean over the
 * structures of its factor of what they save together.
 */
function gainsOf(model: CostModel, factors: readonly Factor[]): readonly number[] {
  const remaining = model.remaining();
  let next = 0;
  return factors.flatMap(({ count }) => {
    const numbers = Array.from({ length: count }, () => next++);
    if (!model.hasSteps) return numbers.map((number) => remaining.gain(number));
    for (const number of numbers) remaining.remove(number);
    const together = model.whole - remaining.left;
    for (const number of numbers) remaining.restore(number);
    return numbers.map(() => together / count);
  });
}

/** `factors` of `graph` with γ shared out by `measure`. The measure "latency" needs `latencyTable`. */
export function shareGamma(
  graph: Graph,
  factors: readonly Factor[],
  measure: GammaMeasure,
  options: { readonly latencyTable?: LatencyTable } = {},
): readonly Factor[] {
  requireArguments("shareGamma", {
    graph: [graph, "graph"],
    factors: [factors, "factors"],
  });
  requireOneOf("shareGamma", "measure", measure, gammaMeasures);
  if (measure === "none" || factors.length === 0) return factors;
  const model = costModel(graph, factors, measure, options);
  const means = meanCosts(model, factors);
  const gains = gainsOf(model, factors);
  let number = 0;
  return factors.map((factor) => {
    const mean = means.get(factor.kind) ?? 0;
    const scale = Array.from({ length: factor.count }, () => {
      const gain = gains[number++] ?? 0;
      return mean > 0 ? gain / mean : 1;
    });
    const [first = 1] = scale;
    return { ...factor, gammaScale: scale.every((value) => value === first) ? [first] : scale };
  });
}

/** By kind: the mean saving of a structure. `model` is the cost model of the same factors. */
export function meanCosts(model: CostModel, factors: readonly Factor[]): ReadonlyMap<FactorKind, number> {
  const gains = gainsOf(model, factors);
  const sums = new Map<FactorKind, { cost: number; structures: number }>();
  let number = 0;
  for (const { kind, count } of factors) {
    const sum = sums.get(kind) ?? { cost: 0, structures: 0 };
    for (let index = 0; index < count; index++) sum.cost += gains[number++] ?? 0;
    sum.structures += count;
    sums.set(kind, sum);
  }
  return new Map([...sums].map(([kind, { cost, structures }]) => [kind, cost / structures] as const));
}
