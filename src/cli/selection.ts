/** What `--gamma` and its kin ask for, as a selection for one network. */
import { loadOnnx } from "../formats/onnx/index.ts";
import type { Graph } from "../graph/graph.ts";
import { model } from "../models/zoo.ts";
import { type FactorKind, factorsOf, selectionKeys } from "../selection/factors.ts";
import { requireKinds, structureKinds } from "../selection/place.ts";
import type { Selection } from "../training/options.ts";
import type { Gamma } from "./values.ts";

export interface GammaOptions {
  readonly gamma?: Gamma;
  readonly gammaNeurons?: number;
  readonly gammaGroups?: number;
  readonly gammaBlocks?: number;
  readonly gammaStreams?: number;
}

interface Selectables {
  readonly graph: Graph;
  /** Those of its factors, or those that could be placed. */
  readonly kinds: readonly FactorKind[];
}

async function selectablesOf(source: string): Promise<Selectables> {
  // Which kinds there are does not depend on the number of classes.
  const graph: Graph = source.toLowerCase().endsWith(".onnx")
    ? (await loadOnnx(source)).graph
    : model(source, { classes: 10 });
  const placed = factorsOf(graph).map(({ kind }) => kind);
  return { graph, kinds: placed.length > 0 ? [...new Set(placed)] : structureKinds(graph) };
}

/** Streams are asked for by name, but of a network that has nothing else. */
function paperKinds(kinds: readonly FactorKind[]): readonly FactorKind[] {
  const ofPaper = kinds.filter((kind) => kind !== "stream");
  return ofPaper.length > 0 ? ofPaper : kinds;
}

/**
 * One number goes to each of the paper's kinds that the network has; a kind's own option comes before it.
 * @throws UserError "bad-option" on a kind that the network lacks, with those it has.
 */
export async function selectionFor(source: string, options: GammaOptions): Promise<Selection> {
  const { gamma, gammaNeurons, gammaGroups, gammaBlocks, gammaStreams } = options;
  const own: Selection = {
    ...(typeof gamma === "object" ? gamma : {}),
    ...(gammaNeurons === undefined ? {} : { neurons: gammaNeurons }),
    ...(gammaGroups === undefined ? {} : { groups: gammaGroups }),
    ...(gammaBlocks === undefined ? {} : { blocks: gammaBlocks }),
    ...(gammaStreams === undefined ? {} : { streams: gammaStreams }),
  };
  if (typeof gamma !== "number" && Object.keys(own).length === 0) return own;
  const { graph, kinds } = await selectablesOf(source);
  requireKinds(graph, own, kinds);
  if (typeof gamma !== "number") return own;
  return { ...Object.fromEntries(paperKinds(kinds).map((kind) => [selectionKeys[kind], gamma] as const)), ...own };
}
