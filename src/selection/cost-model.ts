/**
 * Computes what a network costs while structures are pruned from it. Budgets, γ by cost and inspection all use this
 * model. A kind of cost is one function: the cost of a layer with some of its outputs and inputs left.
 * `structure-parts.ts` says which outputs and inputs a structure takes with it.
 *
 * The model leaves out two effects that only pruning itself finds: channels that no node reads any more, and biases
 * that replace constants. A caller that needs the exact cost counts it now and then and corrects the model.
 */
import { requireArguments, requireOneOf } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import type { Graph, Weights } from "../graph/graph.ts";
import { type Rounding, roundedWidth } from "../graph/width-rounding.ts";
import { predictorOf } from "../latency/predict.ts";
import type { LatencyTable } from "../latency/table.ts";
import type { Factor } from "./factors.ts";
import { type Layer, type LostPart, NetworkParts, type StructureParts } from "./structure-parts.ts";

export const costKinds = ["macs", "parameters", "latency"] as const;
export type CostKind = (typeof costKinds)[number];

/** The name of each kind of cost in messages. */
export const costNames: Readonly<Record<CostKind, string>> = {
  macs: "MACs",
  parameters: "parameters",
  latency: "latency",
};

/** The cost of `layer` with this many output and input channels left; both are 0 once the layer is pruned. */
type LayerCost = (layer: Layer, outputs: number, inputs: number) => number;

/** The cost of layers, and what the network costs beyond them. */
interface Costs {
  readonly layer: LayerCost;
  readonly beyond: number;
}

const costsOf: { readonly [Kind in CostKind]: (table: LatencyTable | undefined) => Costs } = {
  macs: () => ({
    layer: ({ taps, macsOfWeight }, outputs, inputs) => outputs * inputs * taps * macsOfWeight,
    beyond: 0,
  }),
  parameters: () => ({
    layer: ({ taps, isStored }, outputs, inputs) => (isStored ? outputs * inputs * taps : 0),
    beyond: 0,
  }),
  latency: (table) => {
    if (table === undefined) {
      throw new UserError("bad-option", "latency as a cost needs a latency table", {
        hint: "Give options.latencyTable; measureLatencyTable() makes one",
      });
    }
    const predictor = predictorOf(table);
    return {
      layer: ({ key }, outputs, inputs) => (key === undefined ? 0 : predictor.layer(key, outputs, inputs)),
      beyond: predictor.overhead,
    };
  },
};

export interface CostModel {
  readonly kind: CostKind;
  /** The cost of the whole network. */
  readonly whole: number;
  /**
   * Whether the cost falls in steps, so that a structure alone may save nothing: a runtime computes several channels at
   * once, and a layer takes less time only with that many channels less.
   */
  readonly hasSteps: boolean;
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
  /** What is left of a layer; `index`: its place in the parts of the network. */
  layer(index: number): RemainingLayer;
}

/** The channels that are left of a layer, and their cost. All are 0 once the layer is pruned. */
interface RemainingLayer {
  readonly outputs: number;
  readonly inputs: number;
  readonly cost: number;
}

export interface CostOptions {
  /** How widths are rounded up; default 1: not at all. */
  readonly round?: Rounding;
  /** For latency: the times of the network's layers. */
  readonly latencyTable?: LatencyTable;
}

/**
 * The cost model of `graph`, whose factors are `factors`. `parts` saves time if the parts of this graph and these
 * factors are known already. The kind "latency" needs `latencyTable`.
 */
export function costModel(
  graph: Graph,
  factors: readonly Factor[],
  kind: CostKind,
  options: CostOptions & { readonly parts?: StructureParts } = {},
): CostModel {
  requireArguments("costModel", { graph: [graph, "graph"], factors: [factors, "factors"] });
  requireOneOf("costModel", "kind", kind, costKinds);
  return costModelOf(options.parts ?? new NetworkParts(graph, factors), kind, options);
}

/** As `costModel`, for parts that are known. */
export function costModelOf(
  parts: StructureParts,
  kind: CostKind,
  { round = 1, latencyTable }: CostOptions = {},
): CostModel {
  const costs = costsOf[kind](latencyTable);
  const remaining = (pruned: Uint8Array = new Uint8Array()): RemainingCost => {
    const count = new Remaining(parts, costs, round);
    pruned.forEach((mark, structure) => {
      if (mark === 1) count.remove(structure);
    });
    return count;
  };
  return { kind, whole: remaining().left, hasSteps: kind === "latency", remaining };
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
  readonly #parts: StructureParts;
  readonly #costOf: LayerCost;
  readonly #round: Rounding;
  /** By layer: pruned outputs, pruned inputs, and reads that were pruned with branches. */
  readonly #outputs: Int32Array;
  readonly #inputs: Int32Array;
  readonly #reads: Int32Array;
  #left: number;

  constructor(parts: StructureParts, { layer: costOf, beyond }: Costs, round: Rounding) {
    const count = parts.layers.length;
    this.#parts = parts;
    this.#costOf = costOf;
    this.#round = round;
    this.#outputs = new Int32Array(count);
    this.#inputs = new Int32Array(count);
    this.#reads = new Int32Array(count);
    this.#left = parts.layers.reduce((sum, layer) => sum + costOf(layer, layer.outputs, layer.inputs), beyond);
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

  layer(index: number): RemainingLayer {
    const layer = this.#parts.layers[index];
    if (layer === undefined || (this.#reads[index] ?? 0) >= layer.reads) return { outputs: 0, inputs: 0, cost: 0 };
    const left = (whole: number, pruned = 0): number => roundedWidth(whole - pruned, whole, this.#round);
    const outputs = left(layer.outputs, this.#outputs[index]);
    const inputs = left(layer.inputs, this.#inputs[index]);
    return { outputs, inputs, cost: this.#costOf(layer, outputs, inputs) };
  }

  #change(structure: number, sign: 1 | -1): void {
    for (const part of this.#parts.partsOf(structure)) this.#changeLayer(part, sign);
  }

  #changeLayer({ layer, outputs, inputs, reads }: LostPart, sign: 1 | -1): void {
    this.#left -= this.layer(layer).cost;
    this.#outputs[layer] = (this.#outputs[layer] ?? 0) + sign * outputs;
    this.#inputs[layer] = (this.#inputs[layer] ?? 0) + sign * inputs;
    this.#reads[layer] = (this.#reads[layer] ?? 0) + sign * reads;
    this.#left += this.layer(layer).cost;
  }
}
