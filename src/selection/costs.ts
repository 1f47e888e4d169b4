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
import { type Cost, cost, nodeMacs } from "../graph/cost.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { withInputs, withoutDeadNodes } from "../graph/rewrite.ts";
import { inferShapes } from "../graph/shapes.ts";
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
  const costs = factors.map((factor): FactorCost => {
    if (factor.kind === "block") return blockCost(graph, factor);
    const classes = meter.classesOf(factor);
    const each = classes.map((one) => meter.costOf([one]));
    return { factor, each, all: meter.costOf(classes), ...meter.layersOf(classes) };
  });
  const kinds = factorKinds.flatMap((kind): [FactorKind, Cost][] => {
    const own = factors.filter((factor) => factor.kind === kind);
    if (own.length === 0) return [];
    const all =
      kind === "block" ? without(graph, own).cost : meter.costOf(own.flatMap((factor) => meter.classesOf(factor)));
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

/** What of a parameter goes with a structure: rows and columns, or with a block all of it. */
export interface LostPart {
  readonly parameter: string;
  readonly rows: number;
  readonly columns: number;
  readonly whole: boolean;
}

/** For each structure of each of `factors`, in order: what goes with it. */
export function lostParts(graph: Graph, factors: readonly Factor[]): readonly (readonly LostPart[])[] {
  const meter = new ChannelMeter(graph);
  return factors.flatMap((factor): (readonly LostPart[])[] => {
    if (factor.kind === "block") {
      const { parameters } = without(graph, [factor]);
      return [parameters.map((parameter) => ({ parameter, rows: 0, columns: 0, whole: true }))];
    }
    return meter.classesOf(factor).map((one) => meter.partsOf(one));
  });
}

class ChannelMeter {
  readonly #graph: Graph;
  readonly #couplings: Couplings;
  readonly #shapes: ReturnType<typeof inferShapes>;
  /** Class → parameter → share. */
  readonly #shares = new Map<number, Map<string, Share>>();
  /** Parameter → MACs of one of its numbers; 0 of those that multiply no pixels. */
  readonly #macs = new Map<string, number>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#shapes = inferShapes(graph, 1);
    this.#couplings = new Couplings(graph, this.#shapes);
    for (const node of graph.nodes) {
      const [, weights = ""] = node.inputs;
      const macs = nodeMacs(node, this.#shapes);
      if (macs > 0) {
        const each = macs / elementCount(this.#shapes.get(weights) ?? []);
        this.#macs.set(weights, (this.#macs.get(weights) ?? 0) + each);
      }
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
    for (const node of this.#graph.nodes) {
      const [, factor] = node.inputs;
      if (node.op !== "scale" || factor !== parameter || node.attributes.axis !== 1) continue;
      const { first } = node.attributes;
      const own = this.#couplings.classesOf(node.outputs[0] ?? "", 1);
      own.forEach((one, channel) => {
        classes[first === undefined ? Math.floor((channel * count) / own.length) : first + channel] = one;
      });
    }
    return classes;
  }

  partsOf(one: number): readonly LostPart[] {
    return [...this.#sharesOf([one])].map(([parameter, share]) => ({ parameter, ...share, whole: false }));
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
      this.#graph.nodes
        .filter(({ inputs: [, weights = ""] }) => this.#macs.has(weights) && (shares.get(weights)?.[key] ?? 0) > 0)
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
  #sharesOf(classes: readonly number[]): ReadonlyMap<string, Share> {
    const sums = new Map<string, Share>();
    for (const one of new Set(classes)) {
      for (const [name, { rows, columns }] of this.#shares.get(one) ?? []) {
        const sum = sums.get(name) ?? { rows: 0, columns: 0 };
        sums.set(name, { rows: sum.rows + rows, columns: sum.columns + columns });
      }
    }
    return sums;
  }
}

function blockCost(graph: Graph, factor: Factor): FactorCost {
  const { cost: own, gone } = without(graph, [factor]);
  return { factor, each: [own], all: own, outputsOf: gone, inputsOf: [] };
}

/** What goes if the additions of `blocks` become their shortcuts. */
function without(
  graph: Graph,
  blocks: readonly Factor[],
): { readonly cost: Cost; readonly gone: readonly string[]; readonly parameters: readonly string[] } {
  const shapes = inferShapes(graph, 1);
  const scaled = new Set(
    graph.nodes.flatMap(({ inputs, outputs }) =>
      blocks.some(({ parameter }) => inputs[1] === parameter) ? outputs : [],
    ),
  );
  const names = new Map<string, string>();
  const nodes = graph.nodes.flatMap((original): Node[] => {
    const node = withInputs(original, names);
    const branch = node.op === "add" ? node.inputs.findIndex((input) => scaled.has(input)) : -1;
    const shortcut = node.inputs[1 - branch];
    if (branch < 0 || shortcut === undefined) return [node];
    names.set(node.outputs[0] ?? "", shortcut);
    return [];
  });
  const outputs = graph.outputs.map((output) => names.get(output) ?? output);
  const left = withoutDeadNodes({ ...graph, nodes, outputs });
  const stays = new Set(left.nodes.map(({ name }) => name));
  const [before, after] = [cost(graph), cost(left)];
  const needed = new Set(left.parameters.map(({ name }) => name));
  return {
    parameters: graph.parameters.map(({ name }) => name).filter((name) => !needed.has(name)),
    cost: { macs: before.macs - after.macs, parameters: before.parameters - after.parameters },
    gone: graph.nodes.filter((node) => nodeMacs(node, shapes) > 0 && !stays.has(node.name)).map(({ name }) => name),
  };
}
