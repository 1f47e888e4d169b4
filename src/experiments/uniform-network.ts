/** The uniformly thinner network: all widths of a network times one number. It is what one would make by hand. */
import { cost } from "../graph/cost.ts";
import type { Graph } from "../graph/graph.ts";
import { initialize } from "../models/initialize.ts";
import { NetworksOfWidths, type Structure } from "../pruning/network-of-widths.ts";
import { selectionKeys } from "../selection/factors.ts";
import { place, structureKinds } from "../selection/place.ts";

/** Halvings of the interval that the number is in: enough for layers of a thousand channels. */
const HALVINGS = 12;

/**
 * `graph` with all widths times the number for which its MACs are nearest to `macs`. Every layer stays, and keeps one
 * channel at least. `graph` has no factors.
 */
export function uniformNetwork(graph: Graph, macs: number): Graph {
  const kinds = structureKinds(graph).filter((kind) => kind !== "block");
  const { graph: scaled, factors } = place(graph, Object.fromEntries(kinds.map((kind) => [selectionKeys[kind], 0])));
  const networks = new NetworksOfWidths({ graph: scaled, weights: initialize(scaled, 1) }, factors);
  const alike = networks.structures.map(groupsAlike);
  const thinner = (times: number): Graph =>
    networks.network(alike.map((groups) => new Set(groups.flatMap((group) => firstOf(group, times))))).graph;
  let [low, high] = [0, 1];
  let nearest = thinner(high);
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (low + high) / 2;
    const found = thinner(middle);
    if (Math.abs(cost(found).macs - macs) < Math.abs(cost(nearest).macs - macs)) nearest = found;
    if (cost(found).macs > macs) high = middle;
    else low = middle;
  }
  return nearest;
}

/**
 * The indices of structures that are outputs and inputs of the same layers. The channels of one stream may be in
 * different layers, where it gets wider.
 */
function groupsAlike(structures: readonly Structure[]): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>();
  for (const { index, outputsOf, inputsOf } of structures) {
    const key = `${outputsOf.join(" ")}, ${inputsOf.join(" ")}`;
    groups.set(key, [...(groups.get(key) ?? []), index]);
  }
  return [...groups.values()];
}

function firstOf(group: readonly number[], times: number): readonly number[] {
  return group.slice(0, Math.max(1, Math.round(times * group.length)));
}
