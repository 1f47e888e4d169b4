/**
 * What the picture of a network needs to show any step of a run: the whole network, and what pruning each structure
 * takes from its layers. It is plain data, so that the page can show a step without another cut.
 */
import type { Graph } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import type { Factor } from "../selection/factors.ts";
import { type Layer, type LostPart, NetworkParts } from "../selection/structure-parts.ts";
import { type StructureView, structureOf } from "./structure.ts";

export interface Skeleton {
  /** Channels, height and width of its images. */
  readonly input: readonly number[];
  /** The whole network. */
  readonly view: StructureView;
  /** The layers that have MACs, as the cost model counts them. */
  readonly layers: readonly Layer[];
  /** All structures, in the order of the factors. Neighbours that take the same from the layers are one entry. */
  readonly structures: readonly { readonly count: number; readonly lost: readonly LostPart[] }[];
}

/** `graph`: with its factors, none of them cut. `factors`: in the order of the run's. */
export function skeletonOf(graph: Graph, factors: readonly Factor[]): Skeleton {
  const parts = new NetworkParts(graph, factors);
  // The parts have stored parameters and other computations too.
  const shown = parts.layers.flatMap(({ macsOfWeight }, index) => (macsOfWeight > 0 ? [index] : []));
  const numbers = new Map(shown.map((index, number) => [index, number] as const));
  const structures: { count: number; lost: readonly LostPart[]; text: string }[] = [];
  const count = factors.reduce((sum, factor) => sum + factor.count, 0);
  for (let structure = 0; structure < count; structure++) {
    const lost = parts.partsOf(structure).flatMap((part): LostPart[] => {
      const layer = numbers.get(part.layer);
      return layer === undefined ? [] : [{ ...part, layer }];
    });
    const text = JSON.stringify(lost);
    const last = structures.at(-1);
    if (last?.text === text) last.count++;
    else structures.push({ count: 1, lost, text });
  }
  const [input] = graph.inputs;
  return {
    input: (inferShapes(graph, 1).get(input?.name ?? "") ?? []).slice(1),
    view: structureOf(graph, graph),
    layers: parts.layers.filter((_, index) => numbers.has(index)),
    structures: structures.map(({ count: repeats, lost }) => ({ count: repeats, lost })),
  };
}
