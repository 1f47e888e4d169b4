/**
 * Makes versions of a network with other widths, so that a runtime can be timed on its layers at a grid of output and
 * input widths, each in its place in the network.
 */
import { required } from "../core/errors.ts";
import type { Graph, Network } from "../graph/graph.ts";
import { initialize } from "../models/initialize.ts";
import { NetworksOfWidths, type Structure } from "../pruning/network-of-widths.ts";
import { selectionKeys } from "../selection/factors.ts";
import { place, structureKinds } from "../selection/place.ts";

/**
 * The widths of `count` channels on the grid, in blocks: 1, 2, 3, 4, 8, 16, …, and `count` itself. Runtimes compute up
 * to four blocks at once; beyond that the time is nearly linear. Narrow layers have parts of a block too.
 */
export function gridWidths(count: number, block: number): readonly number[] {
  const parts = count <= 4 * block ? [block / 8, block / 4, block / 2, ...(count <= block ? [0.75 * block] : [])] : [];
  const widths = [...parts, block, 2 * block, 3 * block].filter((width) => Number.isInteger(width) && width > 0);
  for (let width = 4 * block; width < count; width *= 2) widths.push(width);
  return [...widths.filter((width) => width < count), count];
}

export interface WidthVariants {
  readonly count: number;
  /** Variant `index`, from 0; the network itself is the last. */
  variant(index: number): Network;
}

/** How a factor's place on the grid follows from the two numbers of a variant. Neighbours have different directions. */
const directions = [
  [1, 0],
  [0, 1],
  [1, 1],
  [1, 2],
  [2, 1],
] as const;

/** What all variants of a graph are made of. */
interface Variable {
  readonly networks: NetworksOfWidths;
  readonly counts: readonly number[];
  /** By factor: its widths on the grid. */
  readonly grids: readonly (readonly number[])[];
  /** By factor: a number that is different from those of its neighbours. */
  readonly colours: readonly number[];
}

function variable(graph: Graph, block: number): Variable {
  const kinds = structureKinds(graph).filter((kind) => kind !== "block");
  const { graph: scaled, factors } = place(graph, Object.fromEntries(kinds.map((kind) => [selectionKeys[kind], 0])));
  const networks = new NetworksOfWidths({ graph: scaled, weights: initialize(scaled, 1) }, factors);
  return {
    networks,
    counts: factors.map(({ count }) => count),
    grids: factors.map(({ kind, count }) => gridWidths(count, kind === "group" ? 1 : block)),
    colours: colour(neighboursOf(networks.structures)),
  };
}

/**
 * Variants of `graph` in which two layers that follow each other have all pairs of widths on the grid, if at most
 * `most` variants are enough for that; else `most` of these. The weights are random.
 */
export function widthVariants(graph: Graph, block: number, most: number): WidthVariants {
  const { networks, counts, grids, colours } = variable(graph, block);
  const longest = Math.max(1, ...grids.map(({ length }) => length));
  const pairs = Array.from({ length: longest ** 2 }, (_, index) => [index % longest, Math.floor(index / longest)]);
  const step = Math.max(1, pairs.length / most);
  const chosen = Array.from({ length: Math.ceil(pairs.length / step) }, (_, at) => pairs[Math.floor(at * step)] ?? []);
  return {
    count: chosen.length + 1,
    variant: (index) => {
      const [a = 0, b = 0] = chosen[index] ?? [];
      const isWhole = index === chosen.length;
      const widths = counts.map((count, at) => {
        const [x, y] = directions[(colours[at] ?? 0) % directions.length] ?? [1, 0];
        const grid = required(grids[at], "the grid of a factor");
        return isWhole ? count : (grid[(x * a + y * b) % grid.length] ?? count);
      });
      return networks.network(networks.structures.map((own, at) => mostShared(own, widths[at] ?? 0)));
    },
  };
}

/** The parts of the channels that the even variants keep. */
const EVEN = [0.25, 0.375, 0.5, 0.625, 0.75, 0.875] as const;
/** Narrower graphs have all their widths in the other variants. */
const EVEN_FROM_BLOCKS = 5;

/**
 * Variants of `graph` in which all widths are the same part of those of `graph`, in blocks. A layer takes longer if the
 * weights of the whole network do not stay in the caches, so its time is best measured among layers as thin as it is.
 */
export function evenVariants(graph: Graph, block: number): WidthVariants {
  const { networks, counts } = variable(graph, block);
  return {
    count: Math.max(0, ...counts) < EVEN_FROM_BLOCKS * block ? 0 : EVEN.length,
    variant: (index) =>
      networks.network(
        networks.structures.map((own, at) => {
          const count = counts[at] ?? 0;
          const width = Math.max(1, Math.round(((EVEN[index] ?? 1) * count) / block)) * block;
          return mostShared(own, Math.min(count, width));
        }),
      ),
  };
}

/** The parts of the channels that the unaligned variants keep. Half of them leave at most half of each joined value. */
const THINNED = [0.93, 0.7, 0.45, 0.25] as const;

/**
 * Variants of `graph` with widths that are no multiples of a block. Channels are dropped evenly from the whole width,
 * as pruning does it: of values that are joined, each loses some. Of neighbours, only one is thinned, and the other has
 * a width on the grid.
 */
export function unalignedVariants(graph: Graph, block: number): WidthVariants {
  const { networks, counts, grids, colours } = variable(graph, block);
  return {
    count: counts.length === 0 ? 0 : 2 * THINNED.length,
    variant: (index) => {
      const share = THINNED[index >> 1] ?? 1;
      return networks.network(
        networks.structures.map((own, at) => {
          const count = counts[at] ?? 0;
          const grid = required(grids[at], "the grid of a factor");
          if (((colours[at] ?? 0) + index) % 2 === 0 && count > block) return thinned(count, share);
          return mostShared(own, grid[grid.length - 1 - ((index >> 1) % grid.length)] ?? count);
        }),
      );
    },
  };
}

/** The indices of an odd number of structures near `share` of `count`, evenly among them. */
function thinned(count: number, share: number): ReadonlySet<number> {
  const width = 2 * Math.floor((share * count) / 2) + 1;
  const indices = Array.from({ length: count }, (_, index) => index);
  return new Set(
    indices.filter((index) => Math.floor(((index + 1) * width) / count) > Math.floor((index * width) / count)),
  );
}

/** The indices of `width` structures: those that most layers have. */
function mostShared(structures: readonly Structure[], width: number): ReadonlySet<number> {
  const order = structures.toSorted((a, b) => b.layers - a.layers);
  return new Set(order.slice(0, width).map(({ index }) => index));
}

/** By factor: the factors whose channels are the other side of one of its layers. */
function neighboursOf(structures: readonly (readonly Structure[])[]): readonly ReadonlySet<number>[] {
  const outputsOf = new Map<number, Set<number>>();
  const inputsOf = new Map<number, Set<number>>();
  const add = (map: Map<number, Set<number>>, layer: number, factor: number): void => {
    map.set(layer, (map.get(layer) ?? new Set()).add(factor));
  };
  for (const [at, own] of structures.entries()) {
    for (const structure of own) {
      for (const layer of structure.outputsOf) add(outputsOf, layer, at);
      for (const layer of structure.inputsOf) add(inputsOf, layer, at);
    }
  }
  const neighbours = structures.map(() => new Set<number>());
  for (const [layer, outputs] of outputsOf) {
    for (const a of outputs) {
      for (const b of inputsOf.get(layer) ?? []) {
        if (a === b) continue;
        neighbours[a]?.add(b);
        neighbours[b]?.add(a);
      }
    }
  }
  return neighbours;
}

/** A number for each factor, small, and different from those of its neighbours. */
function colour(neighbours: readonly ReadonlySet<number>[]): readonly number[] {
  const colours: number[] = [];
  for (const [at, others] of neighbours.entries()) {
    const taken = new Set([...others].map((other) => colours[other]));
    let free = 0;
    while (taken.has(free)) free++;
    colours[at] = free;
  }
  return colours;
}
