/** What `--gamma` and its kin ask for, as a selection for one network. */
import type { Graph, Network } from "../graph/graph.ts";
import { model } from "../models/zoo.ts";
import { type FactorKind, factorsOf, type Selection, selectionKeys } from "../selection/factors.ts";
import { requireKinds, structureKinds } from "../selection/place.ts";
import type { GammaRequest } from "../training/settings/codecs.ts";

interface Selectables {
  readonly graph: Graph;
  /** Those of its factors, or those that could be placed. */
  readonly kinds: readonly FactorKind[];
}

function selectablesOf(source: string | Network): Selectables {
  // Which kinds there are does not depend on the number of classes.
  const graph = typeof source === "string" ? model(source, { classes: 10 }) : source.graph;
  const placed = factorsOf(graph).map(({ kind }) => kind);
  return { graph, kinds: placed.length > 0 ? [...new Set(placed)] : structureKinds(graph) };
}

/** Streams are asked for by name, but of a network that has nothing else. */
function paperKinds(kinds: readonly FactorKind[]): readonly FactorKind[] {
  const ofPaper = kinds.filter((kind) => kind !== "stream");
  return ofPaper.length > 0 ? ofPaper : kinds;
}

/**
 * What is asked for of `source`, a model of the zoo or the network itself: the request with its `all` given to each of
 * the paper's kinds that the network has; a kind's own γ comes before it.
 * @throws UserError "bad-option" on a kind that the network lacks, with those it has.
 */
export function selectionFor(source: string | Network, { all, ...own }: GammaRequest): Selection {
  if (all === undefined && Object.keys(own).length === 0) return own;
  const { graph, kinds } = selectablesOf(source);
  requireKinds(graph, own, kinds);
  if (all === undefined) return own;
  return { ...Object.fromEntries(paperKinds(kinds).map((kind) => [selectionKeys[kind], all] as const)), ...own };
}
