/** What `--gamma` and its kin ask for, as a selection for one network. */
import { loadOnnx } from "../formats/onnx/index.ts";
import type { Graph } from "../graph/graph.ts";
import { model } from "../models/zoo.ts";
import { type FactorKind, factorsOf, selectionKeys } from "../selection/factors.ts";
import { structureKinds } from "../selection/place.ts";
import type { Selection } from "../training/options.ts";
import type { Gamma } from "./values.ts";

export interface GammaOptions {
  readonly gamma?: Gamma;
  readonly gammaNeurons?: number;
  readonly gammaGroups?: number;
  readonly gammaBlocks?: number;
  readonly gammaStreams?: number;
}

/** The kinds `source` has: those of its factors, or those that could be placed. */
async function kindsOf(source: string): Promise<readonly FactorKind[]> {
  // Which kinds there are does not depend on the number of classes.
  const graph: Graph = source.toLowerCase().endsWith(".onnx")
    ? (await loadOnnx(source)).graph
    : model(source, { classes: 10 });
  const placed = factorsOf(graph).map(({ kind }) => kind);
  return placed.length > 0 ? [...new Set(placed)] : structureKinds(graph);
}

/** Streams are asked for by name, but of a network that has nothing else. */
function paperKinds(kinds: readonly FactorKind[]): readonly FactorKind[] {
  const ofPaper = kinds.filter((kind) => kind !== "stream");
  return ofPaper.length > 0 ? ofPaper : kinds;
}

/** One number goes to each of the paper's kinds that the network has; a kind's own option comes before it. */
export async function selectionFor(source: string, options: GammaOptions): Promise<Selection> {
  const { gamma, gammaNeurons, gammaGroups, gammaBlocks, gammaStreams } = options;
  const common: Selection =
    typeof gamma === "number"
      ? Object.fromEntries(paperKinds(await kindsOf(source)).map((kind) => [selectionKeys[kind], gamma] as const))
      : (gamma ?? {});
  return {
    ...common,
    ...(gammaNeurons === undefined ? {} : { neurons: gammaNeurons }),
    ...(gammaGroups === undefined ? {} : { groups: gammaGroups }),
    ...(gammaBlocks === undefined ? {} : { blocks: gammaBlocks }),
    ...(gammaStreams === undefined ? {} : { streams: gammaStreams }),
  };
}
