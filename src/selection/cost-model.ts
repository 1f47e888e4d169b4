/**
 * Computes what a network costs while structures are pruned from it. Budgets, γ by cost and inspection all use this
 * model. A kind of cost is one function: the cost of a layer with some of its outputs and inputs left.
 * `structure-parts.ts` says which outputs and inputs a structure takes with it.
 *
 * The model leaves out two effects that only pruning itself finds: channels that no node reads any more, and biases
 * that replace constants. A caller that needs the exact cost counts it now and then and corrects the model.
 */
import { requireArguments, requireOneOf } from "../core/arguments.ts";
import type { Graph, Weights } from "../graph/graph.ts";
import type { Factor } from "./factors.ts";
import { type Layer, type LostPart, NetworkParts } from "./structure-parts.ts";

export const costKinds = ["macs", "parameters"] as const;
export type CostKind = (typeof costKinds)[number];

/** The name of each kind of cost in messages. */
export const costNames: Readonly<Record<CostKind, string>> = { macs: "MACs", parameters: "parameters" };

/** The cost of `layer` with this many output and input channels left; both are 0 once the layer is pruned. */
type LayerCost = (layer: Layer, outputs: number, inputs: number) => number;

const layerCosts: Record<CostKind, LayerCost> = {
  macs: ({ taps, macsOfWeight }, outputs, inputs) => outputs * inputs * taps * macsOfWeight,
  parameters: ({ taps, isStored }, outputs, inputs) => (isStored ? outputs * inputs * taps : 0),
};

export interface CostModel {
  readonly kind: CostKind;
  /** The cost of the whole network. */
  readonly whole: number;
  /**
   * The cost without the structures that `pruned` marks with 1; default: no structure is pruned. Structures are
   * numbered through all factors, in their order.
   */
  remaining(pruned?: Uint8Array): RemainingCost;
}

/** The cost that remains as structures are removed and restored. Fast enough for thousands of calls a run. */
export interface RemainingCost {
  readonly left: number;
  remove(structure: number): void;
  restore(structure: number): void;
  /** What removing `structure` would save now. Does not remove it. */
  gain(structure: number): number;
}

/**
 * The cost model of `graph`, whose factors are `factors`. Widths are kept at multiples of `round`. `parts` saves time
 * if the parts of this graph and these factors are known already.
 */
export function costModel(
  graph: Graph,
  factors: readonly Factor[],
  kind: CostKind,
  options: { readonly round?: number; readonly parts?: NetworkParts } = {},
): CostModel {
  requireArguments("costModel", { graph: [graph, "graph"], factors: [factors, "factors"] });
  requireOneOf("costModel", "kind", kind, costKinds);
  const { round = 1, parts = new NetworkParts(graph, factors) } = options;
  const remaining = (pruned: Uint8Array = new Uint8Array()): RemainingCost => {
    const count = new Remaining(parts, layerCosts[kind], round);
    pruned.forEach((mark, structure) => {
      if (mark === 1) count.remove(structure);
    });
    return count;
  };
  return { kind, whole: remaining().left, remaining };
}

/** Marks the structures of `factors` that are zero in `values` with 1. */
export function zerosOf(factors: readonly Factor[], values: Weights): Uint8Array {
  return Uint8Array.from(
    factors.flatMap(({ parameter, count }) => {
      const data = values.get(parameter)?.data;
      return Array.from({ length: count }, (_, index) => (data?.[index] === 0 ? 1 : 0));
    }),
  );
}

class Remaining implements RemainingCost {
  readonly #parts: NetworkParts;
  readonly #costOf: LayerCost;
  readonly #round: number;
  /** By layer: pruned outputs, pruned inputs, and reads that were pruned with branches. */
  readonly #outputs: Int32Array;
  readonly #inputs: Int32Array;
  readonly #reads: Int32Array;
  #left: number;

  constructor(parts: NetworkParts, costOf: LayerCost, round: number) {
    const count = parts.layers.length;
    this.#parts = parts;
    this.#costOf = costOf;
    this.#round = round;
    this.#outputs = new Int32Array(count);
    this.#inputs = new Int32Array(count);
    this.#reads = new Int32Array(count);
    this.#left = parts.layers.reduce((sum, layer) => sum + costOf(layer, layer.outputs, layer.inputs), 0);
  }

  get left(): number {
    return this.#left;
  }

  remove(structure: number): void {
    this.#change(structure, 1);
  }

  restore(structure: number): void {
    this.#change(structure, -1);
  }

  gain(structure: number): number {
    const before = this.#left;
    this.remove(structure);
    const gained = before - this.#left;
    this.restore(structure);
    this.#left = before;
    return gained;
  }

  #change(structure: number, sign: 1 | -1): void {
    for (const part of this.#parts.partsOf(structure)) this.#changeLayer(part, sign);
  }

  #changeLayer({ layer, outputs, inputs, reads }: LostPart, sign: 1 | -1): void {
    this.#left -= this.#layerCost(layer);
    this.#outputs[layer] = (this.#outputs[layer] ?? 0) + sign * outputs;
    this.#inputs[layer] = (this.#inputs[layer] ?? 0) + sign * inputs;
    this.#reads[layer] = (this.#reads[layer] ?? 0) + sign * reads;
    this.#left += this.#layerCost(layer);
  }

  #layerCost(index: number): number {
    const layer = this.#parts.layers[index];
    if (layer === undefined || (this.#reads[index] ?? 0) >= layer.reads) return 0;
    const outputs = kept(layer.outputs, this.#outputs[index] ?? 0, this.#round);
    const inputs = kept(layer.inputs, this.#inputs[index] ?? 0, this.#round);
    return this.#costOf(layer, outputs, inputs);
  }
}

/** How many of `whole` channels are kept after `pruned` of them, at a multiple of `round`. */
function kept(whole: number, pruned: number, round: number): number {
  const left = whole - pruned;
  return left <= 0 ? 0 : Math.min(whole, Math.ceil(left / round) * round);
}
