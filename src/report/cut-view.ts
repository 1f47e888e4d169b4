/**
 * The picture's data for the network that the cut at the end left. A compact network says how many groups of a layer
 * are left; the factors say which.
 */
import type { Graph, Network } from "../graph/graph.ts";
import { zerosOf } from "../selection/cost-model.ts";
import type { Factor } from "../selection/factors.ts";
import { viewAt } from "./network-at-step.ts";
import type { Skeleton } from "./network-skeleton.ts";
import { type LayerView, type StructureView, structureOf } from "./structure.ts";

/** The living groups of `now`, and the first ones of those that the cut kept additionally (it may round up). */
function groupsOf(cut: LayerView, now: LayerView | undefined): readonly boolean[] {
  const left = cut.groups.filter((isLeft) => isLeft).length;
  const living = (now?.groups ?? []).filter((isLeft) => isLeft).length;
  if (now === undefined || living > left || now.groups.length !== cut.groups.length) return cut.groups;
  let more = left - living;
  return now.groups.map((isLeft) => isLeft || more-- > 0);
}

/** `network`: with its factors, which are `factors`; `skeleton`: its own. `compact`: what the cut left of it. */
export function viewOfCut(
  { graph, weights }: Network,
  compact: Graph,
  factors: readonly Factor[],
  skeleton: Skeleton,
): StructureView {
  const cut = structureOf(graph, compact);
  const alive = zerosOf(factors, weights).map((zero) => 1 - zero);
  const now = new Map(viewAt(skeleton, alive).layers.map((layer) => [layer.name, layer] as const));
  const layers = cut.layers.map((layer) =>
    layer.groups.length === 0 ? layer : { ...layer, groups: groupsOf(layer, now.get(layer.name)) },
  );
  return { ...cut, layers };
}
