/** Networks with chosen widths: those structures of each factor that are asked for. */
import { tensor } from "../core/tensor.ts";
import type { Graph, Network, Weights } from "../graph/graph.ts";
import type { Factor } from "../selection/factors.ts";
import { NetworkParts } from "../selection/structure-parts.ts";
import { compact } from "./compact.ts";

/** A structure of a factor: the layers that have it as an output, and as an input. */
export interface Structure {
  readonly index: number;
  readonly outputsOf: readonly number[];
  readonly inputsOf: readonly number[];
  readonly layers: number;
}

/** By factor: its structures. */
export function structuresOf(graph: Graph, factors: readonly Factor[]): readonly (readonly Structure[])[] {
  const parts = new NetworkParts(graph, factors);
  let next = 0;
  return factors.map(({ count }) =>
    Array.from({ length: count }, (_, index) => {
      const own = parts.partsOf(next++);
      return {
        index,
        outputsOf: own.filter(({ outputs }) => outputs > 0).map(({ layer }) => layer),
        inputsOf: own.filter(({ inputs }) => inputs > 0).map(({ layer }) => layer),
        layers: own.length,
      };
    }),
  );
}

/** Networks with other widths of the layers of one network, whose graph has `factors`. */
export class NetworksOfWidths {
  readonly #graph: Graph;
  readonly #weights: Weights;
  readonly #factors: readonly Factor[];
  readonly structures: readonly (readonly Structure[])[];

  constructor({ graph, weights }: Network, factors: readonly Factor[]) {
    this.#graph = graph;
    this.#weights = weights;
    this.#factors = factors;
    this.structures = structuresOf(graph, factors);
  }

  /** The compact network that keeps the structures with the indices `kept` of each factor. */
  network(kept: readonly ReadonlySet<number>[]): Network {
    const values = new Map(this.#weights);
    for (const [at, { parameter, count }] of this.#factors.entries()) {
      const factors = Float32Array.from({ length: count }, (_, index) => (kept[at]?.has(index) === true ? 1 : 0));
      values.set(parameter, tensor([count], factors));
    }
    return compact({ graph: this.#graph, weights: values }).network;
  }
}
