/**
 * What a structure costs: the MACs and parameters that go with it, everything coupled to it included. Of channels that is
 * every weight whose row or column is theirs; of a block, every layer that only its branch needs. And γ by that cost,
 *
 *     γ_i = γ · c_i / c̄        c_i: cost of structure i, c̄: mean cost of the structures of its kind,
 *
 * so that the penalty of a kind stays what it would be in all, and presses where there is more to gain.
 */
import { elementCount } from "../core/tensor.ts";
import { Couplings } from "../graph/analysis-coupling.ts";
import { type Cost, nodeMacs } from "../graph/cost.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import { BranchMeter, type Lost } from "./branch-cost.ts";
import type { Branch } from "./branches.ts";
import { type Factor, type FactorKind, factorKinds } from "./factors.ts";

/** How γ is shared out among the structures of a kind. */
export const gammaMeasures = ["none", "macs", "parameters"] as const;
export type GammaMeasure = (typeof gammaMeasures)[number];

export interface FactorCost {
  readonly factor: Factor;
  /** Of each structure alone, were it cut from the whole network. */
  readonly each: readonly Cost[];
  /** Of all of the factor's structures together: a weight between two of them counts once. */
  readonly all: Cost;
  /** Layers with weights that lose outputs with a structure; for a block, that go with it. */
  readonly outputsOf: readonly string[];
  /** Layers with weights that lose inputs with it. */
  readonly inputsOf: readonly string[];
}

export interface StructureCosts {
  readonly factors: readonly FactorCost[];
  /** Of all structures of each kind there is, together. */
  readonly kinds: ReadonlyMap<FactorKind, Cost>;
}

/** Costs of the structures of `factors`, which are those of `graph`. */
export function structureCosts(graph: Graph, factors: readonly Factor[]): StructureCosts {
  const meter = new ChannelMeter(graph);
  const branches = new BlockBranches(graph);
  const costs = factors.map((factor): FactorCost => {
    if (factor.kind === "block") {
      const { cost: own, nodes } = branches.without([factor]);
      return { factor, each: [own], all: own, outputsOf: nodes.map(({ name }) => name), inputsOf: [] };
    }
    const classes = meter.classesOf(factor);
    const each = classes.map((one) => meter.costOf([one]));
    return { factor, each, all: meter.costOf(classes), ...meter.layersOf(classes) };
  });
  const kinds = factorKinds.flatMap((kind): [FactorKind, Cost][] => {
    const own = factors.filter((factor) => factor.kind === kind);
    if (own.length === 0) return [];
    const all =
      kind === "block" ? branches.without(own).cost : meter.costOf(own.flatMap((factor) => meter.classesOf(factor)));
    return [[kind, all]];
  });
  return { factors: costs, kinds: new Map(kinds) };
}

/** `factors` of `graph` with their γ shared out by `measure`. */
export function shareGamma(graph: Graph, factors: readonly Factor[], measure: GammaMeasure): readonly Factor[] {
  if (measure === "none" || factors.length === 0) return factors;
  const costs = structureCosts(graph, factors).factors;
  const meanOf = (kind: FactorKind): number => {
    const own = costs.filter(({ factor }) => factor.kind === kind).flatMap(({ each }) => each);
    return own.reduce((sum, one) => sum + one[measure], 0) / own.length;
  };
  const means = new Map(factorKinds.map((kind) => [kind, meanOf(kind)] as const));
  return costs.map(({ factor, each }) => {
    const mean = means.get(factor.kind) ?? 0;
    const scale = each.map((one) => (mean > 0 ? one[measure] / mean : 1));
    const [first = 1] = scale;
    return { ...factor, gammaScale: scale.every((value) => value === first) ? [first] : scale };
  });
}

/** A parameter's part in the cost of a class: how many of its rows and columns are the class's. */
interface Share {
  rows: number;
  columns: number;
}

/** What of a parameter, or of what a node computes with its weights, goes with a structure: rows and columns, or reads. */
export interface LostPart {
  readonly of: "parameter" | "node";
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Of a parameter, how many of the times that it is read; of a node 1 if it goes. */
  readonly reads: number;
}

/** For each structure of each of `factors`, in order: what goes with it. */
export function lostParts(graph: Graph, factors: readonly Factor[]): readonly (readonly LostPart[])[] {
  const meter = new ChannelMeter(graph);
  const branches = new BlockBranches(graph);
  return factors.flatMap((factor): (readonly LostPart[])[] => {
    if (factor.kind !== "block") return meter.classesOf(factor).map((one) => meter.partsOf(one));
    const { nodes, reads } = branches.without([factor]);
    const none = { rows: 0, columns: 0 } as const;
    return [
      [
        ...[...reads].map(([name, count]) => ({ of: "parameter", name, ...none, reads: count }) as const),
        ...nodes.map(({ name }) => ({ of: "node", name, ...none, reads: 1 }) as const),
      ],
    ];
  });
}

/** The branches that blocks scale. */
class BlockBranches {
  readonly #meter: BranchMeter;
  /** By factor parameter. */
  readonly #branches: ReadonlyMap<string, Branch>;

  constructor(graph: Graph) {
    this.#meter = new BranchMeter(graph);
    const scaledBy = new Map(
      graph.nodes.flatMap(({ op, inputs: [, factor = ""], outputs: [dst = ""] }) =>
        op === "scale" ? [[dst, factor] as const] : [],
      ),
    );
    this.#branches = new Map(
      graph.nodes.flatMap(({ op, name, inputs }) =>
        op !== "add"
          ? []
          : inputs.flatMap((input, slot) => {
              const factor = scaledBy.get(input);
              return factor === undefined ? [] : [[factor, { addition: name, slot }] as const];
            }),
      ),
    );
  }

  without(blocks: readonly Factor[]): Lost {
    return this.#meter.without(blocks.flatMap(({ parameter }) => this.#branches.get(parameter) ?? []));
  }
}

function addTo<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

class ChannelMeter {
  readonly #couplings: Couplings;
  readonly #shapes: ReturnType<typeof inferShapes>;
  /** Class → parameter → share. */
  readonly #shares = new Map<number, Map<string, Share>>();
  /** Parameter → MACs of one of its numbers; 0 of those that multiply no pixels. */
  readonly #macs = new Map<string, number>();
  /** Parameter → the nodes that multiply by it, with their places. */
  readonly #layers = new Map<string, { readonly name: string; readonly place: number }[]>();
  /** Factor parameter → the nodes that scale by it. */
  readonly #scales = new Map<string, Node<"scale">[]>();

  constructor(graph: Graph) {
    this.#shapes = inferShapes(graph, 1);
    this.#couplings = new Couplings(graph, this.#shapes);
    for (const [place, node] of graph.nodes.entries()) {
      const [, weights = ""] = node.inputs;
      if (node.op === "scale" && node.attributes.axis === 1) addTo(this.#scales, weights, node);
      const macs = nodeMacs(node, this.#shapes);
      if (macs === 0) continue;
      const each = macs / elementCount(this.#shapes.get(weights) ?? []);
      this.#macs.set(weights, (this.#macs.get(weights) ?? 0) + each);
      addTo(this.#layers, weights, { name: node.name, place });
    }
    for (const { name, kind } of graph.parameters) {
      if (kind !== "weights" && kind !== "bias" && kind !== "scale" && kind !== "shift") continue;
      for (const axis of this.#couplings.axesOf(name)) {
        for (const one of this.#couplings.classesOf(name, axis))
          this.#shareOf(one, name)[axis === 0 ? "rows" : "columns"]++;
      }
    }
  }

  /** The class of each of the factor's structures. */
  classesOf({ parameter, count }: Factor): readonly number[] {
    const classes = new Array<number>(count).fill(-1);
    for (const { outputs, attributes } of this.#scales.get(parameter) ?? []) {
      const { first } = attributes;
      const own = this.#couplings.classesOf(outputs[0] ?? "", 1);
      own.forEach((one, channel) => {
        classes[first === undefined ? Math.floor((channel * count) / own.length) : first + channel] = one;
      });
    }
    return classes;
  }

  partsOf(one: number): readonly LostPart[] {
    return [...this.#sharesOf([one])].flatMap(([parameter, share]) => [
      { of: "parameter", name: parameter, ...share, reads: 0 } as const,
      ...(this.#layers.get(parameter) ?? []).map(({ name }) => ({ of: "node", name, ...share, reads: 0 }) as const),
    ]);
  }

  costOf(classes: readonly number[]): Cost {
    let [macs, parameters] = [0, 0];
    for (const [name, { rows, columns }] of this.#sharesOf(classes)) {
      const [height = 1, width = 1, ...taps] = this.#shapes.get(name) ?? [];
      const numbers = (rows * width + columns * height - rows * columns) * elementCount(taps);
      parameters += numbers;
      macs += numbers * (this.#macs.get(name) ?? 0);
    }
    return { macs, parameters };
  }

  /** Layers with weights that lose outputs or inputs with `classes`. */
  layersOf(classes: readonly number[]): { outputsOf: readonly string[]; inputsOf: readonly string[] } {
    const shares = this.#sharesOf(classes);
    const touched = (key: keyof Share): readonly string[] =>
      [...shares]
        .flatMap(([weights, share]) => (share[key] > 0 ? (this.#layers.get(weights) ?? []) : []))
        .toSorted((a, b) => a.place - b.place)
        .map(({ name }) => name);
    return { outputsOf: touched("rows"), inputsOf: touched("columns") };
  }

  #shareOf(one: number, name: string): Share {
    const shares = this.#shares.get(one) ?? new Map<string, Share>();
    this.#shares.set(one, shares);
    const share = shares.get(name) ?? { rows: 0, columns: 0 };
    shares.set(name, share);
    return share;
  }

  /** The shares of several classes together, each class counted once. */
  #sharesOf(classes: readonly number[]): ReadonlyMap<string, Readonly<Share>> {
    const [only = 0] = classes;
    if (classes.length === 1) return this.#shares.get(only) ?? new Map();
    const sums = new Map<string, Share>();
    for (const one of new Set(classes)) {
      for (const [name, { rows, columns }] of this.#shares.get(one) ?? []) {
        const sum = sums.get(name);
        if (sum === undefined) sums.set(name, { rows, columns });
        else {
          sum.rows += rows;
          sum.columns += columns;
        }
      }
    }
    return sums;
  }
}
