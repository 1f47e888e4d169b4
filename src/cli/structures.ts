/**
 * The data behind `espalier inspect --structures`: the structures that can get scaling factors, their costs, the layers
 * that are pruned with them, and why other layers cannot be selected. `--json` prints it unchanged.
 */
import { optional } from "../core/optional.ts";
import type { Cost } from "../graph/cost.ts";
import type { Network } from "../graph/graph.ts";
import { networkCost } from "../latency/predict.ts";
import type { LatencyTable } from "../latency/table.ts";
import { type FactorKind, factorKinds, factorsOf, selectionKeys } from "../selection/factors.ts";
import { place, type Refusal, refusedLayers, structureKinds } from "../selection/place.ts";
import { type FactorCost, structureCosts } from "../selection/structure-costs.ts";

/** A range of structures of one factor vector that have the same cost. */
export interface CostRun extends Cost {
  /** Index of the first structure. */
  readonly first: number;
  readonly count: number;
}

export interface InspectedFactor {
  readonly layer: string;
  readonly kind: FactorKind;
  readonly count: number;
  /** Costs of single structures, by index. */
  readonly each: readonly CostRun[];
  /** Cost of all structures together. */
  readonly all: Cost;
  /** Layers that lose output channels when a structure is pruned; for a block, the layers that are removed. */
  readonly outputsOf: readonly string[];
  /** Layers that lose input channels when a structure is pruned. */
  readonly inputsOf: readonly string[];
  /** Range [first, end) of factors of which one always stays, because they are the only path through the network. */
  readonly keeps?: readonly [number, number];
}

export interface StructureReport {
  readonly name: string;
  readonly cost: Cost;
  /** Sums over all structures of each kind. */
  readonly kinds: readonly { readonly kind: FactorKind; readonly count: number; readonly all: Cost }[];
  readonly factors: readonly InspectedFactor[];
  /** Layers that cannot be selected; empty for a network that already has factors. */
  readonly refused: readonly Refusal[];
}

/** Reports the factors that a network has, or for a network without factors, all factors that it could get. */
export function reportStructures({ graph: given }: Network, latencyTable?: LatencyTable): StructureReport {
  const own = factorsOf(given);
  const everyKind = Object.fromEntries(structureKinds(given).map((kind) => [selectionKeys[kind], 0] as const));
  const { graph, factors } = own.length > 0 ? { graph: given, factors: own } : place(given, everyKind);
  const costs = structureCosts(graph, factors, optional({ latencyTable }));
  return {
    name: given.name,
    cost: networkCost(given, latencyTable),
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
  for (const [first, own] of each.entries()) {
    const last = runs.at(-1);
    const isSame = last?.macs === own.macs && last.parameters === own.parameters && last.latency === own.latency;
    if (isSame) runs[runs.length - 1] = { ...last, count: last.count + 1 };
    else runs.push({ first, count: 1, ...own });
  }
  return { layer, kind, count, each: runs, all, outputsOf, inputsOf, ...(keepLast ? { keeps: keepRun } : {}) };
}
