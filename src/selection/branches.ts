/**
 * Finds the residual branches of a graph from its structure alone. An addition ends a residual block if both operands
 * are computed from a common value. One operand (the shortcut) passes at most one layer with weights, the other (the
 * branch) passes more. So the shortcut may be the identity, subsampled and padded (option A), or a convolution with its
 * batch norm.
 */
import { Frontier } from "../core/frontier.ts";
import { type Graph, type Node, readers } from "../graph/graph.ts";

export interface Branch {
  /** The addition that ends the block. */
  readonly addition: string;
  /** The input slot of the addition that reads the branch. */
  readonly slot: number;
}

/** Bit 1: the first operand of an addition depends on the value. Bit 2: the second operand does. */
type Sides = 0 | 1 | 2 | 3;
const BOTH = 3;

/** The residual branches of `graph`, in execution order. */
export function residualBranches(graph: Graph): readonly Branch[] {
  const blocks = new Blocks(graph);
  return graph.nodes.flatMap((node, place): Branch[] => {
    if (node.op !== "add") return [];
    const { layers, haveCommonSource } = blocks.behind(node, place);
    const [layersA, layersB] = layers;
    if (!haveCommonSource || layersA === layersB || Math.min(layersA, layersB) > 1) return [];
    return [{ addition: node.name, slot: layersA > layersB ? 0 : 1 }];
  });
}

/** Searches backwards from an addition to the values that both operands depend on, and no further. */
class Blocks {
  readonly #graph: Graph;
  /** Value → the position of the node that computes it. */
  readonly #makers: ReadonlyMap<string, number>;
  readonly #weights: ReadonlySet<string>;
  readonly #parameters: ReadonlySet<string>;
  readonly #readers: ReadonlyMap<string, readonly Node[]>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#makers = new Map(
      graph.nodes.flatMap(({ outputs }, place) => outputs.map((output) => [output, place] as const)),
    );
    this.#weights = new Set(graph.parameters.filter(({ kind }) => kind === "weights").map(({ name }) => name));
    this.#parameters = new Set(graph.parameters.map(({ name }) => name));
    this.#readers = readers(graph);
  }

  /**
   * For each operand of `addition`, the node at `place`: the number of layers that only this operand depends on. Also
   * whether both operands depend on a common value.
   */
  behind(
    addition: Node,
    place: number,
  ): { readonly layers: readonly [number, number]; readonly haveCommonSource: boolean } {
    const sides = new Map<string | number, Sides>();
    // The search goes backwards from the addition, so it visits every reader of a value before the value.
    const frontier = new Frontier();
    /** How many nodes in the frontier only one operand depends on. */
    let apart = 0;
    const mark = (value: string, side: Sides): void => {
      const maker = this.#makers.get(value);
      const key = maker ?? value;
      const before = sides.get(key) ?? 0;
      const after = (before | side) as Sides;
      if (after === before) return;
      sides.set(key, after);
      if (maker === undefined) return;
      frontier.add(place - maker);
      if (after === BOTH) apart -= before === 0 ? 0 : 1;
      else apart++;
    };
    const [a = "", b = ""] = addition.inputs;
    mark(a, 1);
    mark(b, 2);
    const common: number[] = [];
    while (apart > 0) {
      const maker = place - (frontier.take() ?? 0);
      const side = sides.get(maker) ?? 0;
      if (side === BOTH) {
        common.push(maker);
        continue;
      }
      apart--;
      for (const input of this.#graph.nodes[maker]?.inputs ?? []) mark(input, side);
    }
    for (let next = frontier.take(); next !== undefined; next = frontier.take()) common.push(place - next);
    const layers = this.#layersOf(sides, common, place);
    const isCommon = ([value, side]: readonly [string | number, Sides]): boolean =>
      side === BOTH && !(typeof value === "string" && this.#parameters.has(value));
    return { layers, haveCommonSource: [...sides].some(isCommon) };
  }

  #layersOf(
    sides: ReadonlyMap<string | number, Sides>,
    common: readonly number[],
    place: number,
  ): readonly [number, number] {
    const layers: [number, number] = [0, 0];
    let further: ReadonlySet<string> | undefined;
    for (const [value, side] of sides) {
      if (typeof value === "number" || side === BOTH || !this.#weights.has(value)) continue;
      // If several nodes share the weights, the common values may depend on them too.
      const isShared = (this.#readers.get(value) ?? []).some(({ outputs: [dst = ""] }) => {
        const maker = this.#makers.get(dst) ?? place;
        return maker < place && (sides.get(maker) ?? BOTH) === BOTH;
      });
      if (isShared) further ??= this.#behindAll(common);
      if (further?.has(value) !== true) layers[side === 1 ? 0 : 1]++;
    }
    return layers;
  }

  /** Every value that the nodes at `places` read, directly or indirectly. */
  #behindAll(places: readonly number[]): ReadonlySet<string> {
    const found = new Set<string>();
    const pending = places.flatMap((place) => this.#graph.nodes[place]?.inputs ?? []);
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      if (found.has(value)) continue;
      found.add(value);
      const maker = this.#makers.get(value);
      pending.push(...(maker === undefined ? [] : (this.#graph.nodes[maker]?.inputs ?? [])));
    }
    return found;
  }
}
