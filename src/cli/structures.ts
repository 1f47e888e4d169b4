/**
 * What `espalier inspect --structures` tells: what would be scaled, what each structure costs, what goes with it, and
 * why the rest cannot be selected. Plain data, printed as it is by `--json`.
 */
import { type Cost, cost } from "../graph/cost.ts";
import type { Network } from "../graph/graph.ts";
import { type FactorKind, factorKinds, factorsOf, selectionKeys } from "../selection/factors.ts";
import { place, type Refusal, refusedLayers, structureKinds } from "../selection/place.ts";
import { type FactorCost, structureCosts } from "../selection/structure-costs.ts";

/** Structures next to each other that cost the same. */
export interface CostRun extends Cost {
  /** Index of the first one. */
  readonly first: number;
  readonly count: number;
}

export interface InspectedFactor {
  readonly layer: string;
  readonly kind: FactorKind;
  readonly count: number;
  /** What one structure costs, by its index. */
  readonly each: readonly CostRun[];
  /** What all of them cost together. */
  readonly all: Cost;
  /** Layers that lose outputs with a structure; for a block, that go with it. */
  readonly outputsOf: readonly string[];
  /** Layers that lose inputs with it. */
  readonly inputsOf: readonly string[];
  /** The factors, from the first to before the last index, of which one always stays: all are on the only path. */
  readonly keeps?: readonly [number, number];
}

export interface StructureReport {
  readonly name: string;
  readonly cost: Cost;
  /** All structures of a kind together. */
  readonly kinds: readonly { readonly kind: FactorKind; readonly count: number; readonly all: Cost }[];
  readonly factors: readonly InspectedFactor[];
  /** Empty for a network that has factors already: there it is settled. */
  readonly refused: readonly Refusal[];
}

/** A network without factors is shown with all that could be placed, one with factors with its own. */
export function reportStructures({ graph: given }: Network): StructureReport {
  const own = factorsOf(given);
  const everyKind = Object.fromEntries(structureKinds(given).map((kind) => [selectionKeys[kind], 0] as const));
  const { graph, factors } = own.length > 0 ? { graph: given, factors: own } : place(given, everyKind);
  const costs = structureCosts(graph, factors);
  return {
    name: given.name,
    cost: cost(given),
    kinds: factorKinds.flatMap((kind) => {
      const all = costs.kinds.get(kind);
      const count = factors.reduce((sum, factor) => sum + (factor.kind === kind ? factor.count : 0), 0);
      return all === undefined ? [] : [{ kind, count, all }];
    }),
    factors: costs.factors.map(inspectedFactor),
    refused: own.length > 0 ? [] : refusedLayers(given),
  };
}

function inspectedFactor({ factor, each, all, outputsOf, inputsOf }: FactorCost): InspectedFactor {
  const { layer, kind, count, keepLast, keepRun = [0, count] } = factor;
  const runs: CostRun[] = [];
  for (const [first, { macs, parameters }] of each.entries()) {
    const last = runs.at(-1);
    if (last?.macs === macs && last.parameters === parameters)
      runs[runs.length - 1] = { ...last, count: last.count + 1 };
    else runs.push({ first, count: 1, macs, parameters });
  }
  return { layer, kind, count, each: runs, all, outputsOf, inputsOf, ...(keepLast ? { keeps: keepRun } : {}) };
}
