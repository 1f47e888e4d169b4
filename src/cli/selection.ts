/** Turns `--gamma` and the flags of single kinds into the selection for a network. */
import type { Graph, Network } from "../graph/graph.ts";
import { model } from "../models/zoo.ts";
import { type FactorKind, factorsOf, type Selection, selectionKeys } from "../selection/factors.ts";
import { requireKinds, structureKinds } from "../selection/place.ts";
import type { GammaRequest } from "../training/settings/codecs.ts";

interface Selectables {
  readonly graph: Graph;
  /** Kinds of its factors, or for a network without factors, the kinds that it could get. */
  readonly kinds: readonly FactorKind[];
}

function selectablesOf(source: string | Network): Selectables {
  // The kinds do not depend on the number of classes.
  const graph = typeof source === "string" ? model(source, { classes: 10 }) : source.graph;
  const placed = factorsOf(graph).map(({ kind }) => kind);
  return { graph, kinds: placed.length > 0 ? [...new Set(placed)] : structureKinds(graph) };
}

/** The kinds that `--gamma` with one number means: all but streams, or streams if the network has no other kind. */
function paperKinds(kinds: readonly FactorKind[]): readonly FactorKind[] {
  const ofPaper = kinds.filter((kind) => kind !== "stream");
  return ofPaper.length > 0 ? ofPaper : kinds;
}

/**
 * The selection that a request means for `source`, a model of the zoo or a network. `all` becomes the γ of each kind of
 * the paper that the network has; a kind's own γ overrides it.
 * @throws UserError "bad-option" on a kind that the network lacks. The error lists the kinds that it has.
 */
export function selectionFor(source: string | Network, { all, ...own }: GammaRequest): Selection {
  if (all === undefined && Object.keys(own).length === 0) return own;
  const { graph, kinds } = selectablesOf(source);
  requireKinds(graph, own, kinds);
  if (all === undefined) return own;
  return { ...Object.fromEntries(paperKinds(kinds).map((kind) => [selectionKeys[kind], all] as const)), ...own };
}
