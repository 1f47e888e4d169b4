/**
 * Finds what pruning a structure removes from each layer. For a channel these are the outputs and inputs of all layers
 * that it is coupled to. For a residual branch these are the layers that only the branch needs.
 */
import { optional } from "../core/optional.ts";
import { elementCount, type Shape } from "../core/tensor.ts";
import { Couplings } from "../graph/analysis-coupling.ts";
import { hasWeights, nodeMacs } from "../graph/cost.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import { timedLayers } from "../latency/timed-layers.ts";
import { BranchParts, type RemovedParts } from "./branch-parts.ts";
import type { Branch } from "./branches.ts";
import type { Factor } from "./factors.ts";

/**
 * A trained parameter, the computation of a node with one, or another computation that takes time. Parameters and
 * computations are separate because several nodes may share a parameter, and pruning may remove only one of them.
 * `outputs` and `inputs` are the first two dimensions of the parameter, `taps` is the product of the others. A
 * computation without a parameter has its channels as outputs, and one input.
 */
export interface Layer {
  readonly name: string;
  readonly outputs: number;
  readonly inputs: number;
  readonly taps: number;
  /**
   * Multiply-accumulates of one image per weight, or per output of a computation without weights; 0 for a stored
   * parameter.
   */
  readonly macsOfWeight: number;
  /** Whether it is a stored parameter, not a node's computation. */
  readonly isStored: boolean;
  /** How many nodes read it. It is pruned with the last of them. */
  readonly reads: number;
  /** The key of its times in a latency table; undefined for a stored parameter. */
  readonly key?: string;
}

/** What a layer loses if a structure is pruned. */
export interface LostPart {
  /** Index of the layer. */
  readonly layer: number;
  readonly outputs: number;
  readonly inputs: number;
  readonly reads: number;
}

/** The layers of a network, and what pruning each structure takes from them. */
export interface StructureParts {
  readonly layers: readonly Layer[];
  partsOf(structure: number): readonly LostPart[];
}

const trainedKinds: ReadonlySet<string> = new Set(["weights", "bias", "scale", "shift"]);

/** Structures are numbered through all of `factors`, in their order. `factors` are the factors of `graph`. */
export class NetworkParts implements StructureParts {
  readonly layers: readonly Layer[];
  readonly #parts: readonly (readonly LostPart[])[];
  readonly #channels: ChannelParts;
  readonly #branches: BlockBranches;
  /** Names of the nodes with weights. */
  readonly #weighted: ReadonlySet<string>;

  constructor(graph: Graph, factors: readonly Factor[]) {
    const shapes = inferShapes(graph, 1);
    const { layers, numbers } = layersOf(graph, shapes);
    this.layers = layers;
    this.#weighted = new Set(numbers.ofNodes.keys());
    this.#channels = new ChannelParts(graph, shapes, numbers);
    this.#branches = new BlockBranches(graph);
    this.#parts = factors.flatMap((factor) =>
      factor.kind === "block"
        ? [partsOfBlock(this.#branches.removedWith(factor), numbers)]
        : this.#channels.classesOf(factor).map((one) => this.#channels.partsOf(one)),
    );
  }

  partsOf(structure: number): readonly LostPart[] {
    return this.#parts[structure] ?? [];
  }

  /** The nodes with weights that lose outputs or inputs with a structure of `factor`, or are pruned with its block. */
  nodesOf(factor: Factor): { readonly outputsOf: readonly string[]; readonly inputsOf: readonly string[] } {
    if (factor.kind === "block") {
      return { outputsOf: this.#branches.removedWith(factor).nodes.map(({ name }) => name), inputsOf: [] };
    }
    const classes = [...new Set(this.#channels.classesOf(factor))];
    const all = classes
      .flatMap((one) => this.#channels.partsOf(one))
      .filter(({ layer }) => this.#isWeighted(this.layers[layer]))
      .toSorted((a, b) => a.layer - b.layer);
    const namesOf = (touched: readonly LostPart[]): readonly string[] =>
      [...new Set(touched.map(({ layer }) => layer))].map((layer) => this.layers[layer]?.name ?? "");
    return {
      outputsOf: namesOf(all.filter(({ outputs }) => outputs > 0)),
      inputsOf: namesOf(all.filter(({ inputs }) => inputs > 0)),
    };
  }

  #isWeighted(layer: Layer | undefined): boolean {
    return layer !== undefined && !layer.isStored && this.#weighted.has(layer.name);
  }
}

/**
 * Indices of layers: by trained parameter, by node with weights, and by other computation and the value it computes.
 */
interface LayerNumbers {
  readonly ofParameters: ReadonlyMap<string, number>;
  readonly ofNodes: ReadonlyMap<string, number>;
  readonly ofOthers: ReadonlyMap<string, number>;
  readonly ofValues: ReadonlyMap<string, number>;
}

/** The layers of `graph`: its trained parameters, the nodes with weights, and other computations that take time. */
function layersOf(
  graph: Graph,
  shapes: ReadonlyMap<string, Shape>,
): { readonly layers: readonly Layer[]; readonly numbers: LayerNumbers } {
  const trained = graph.parameters.filter(({ kind }) => trainedKinds.has(kind));
  const computed = graph.nodes.filter(hasWeights);
  const timed = timedLayers(graph);
  const keys = new Map(timed.map(({ node, key }) => [node, key] as const));
  const weighted = new Set(computed.map(({ name }) => name));
  const others = timed.filter(({ node }) => !weighted.has(node));
  const nodes = new Map(graph.nodes.map((node) => [node.name, node] as const));
  const reads = new Map<string, number>();
  for (const input of graph.nodes.flatMap(({ inputs }) => inputs)) reads.set(input, (reads.get(input) ?? 0) + 1);
  const firstOther = trained.length + computed.length;
  return {
    layers: [
      ...trained.map(({ name, shape }) => layerOf(name, shape, { isStored: true, reads: reads.get(name) ?? 0 })),
      ...computed.map((node) => {
        const shape = shapes.get(node.inputs[1] ?? "") ?? [];
        const macsOfWeight = nodeMacs(node, shapes) / elementCount(shape);
        return layerOf(node.name, shape, { macsOfWeight, ...optional({ key: keys.get(node.name) }) });
      }),
      ...others.map(({ node: name, key, outputs }) => {
        const node = nodes.get(name);
        return layerOf(name, [outputs], { key, macsOfWeight: node ? nodeMacs(node, shapes) / outputs : 0 });
      }),
    ],
    numbers: {
      ofParameters: new Map(trained.map(({ name }, index) => [name, index] as const)),
      ofNodes: new Map(computed.map(({ name }, index) => [name, trained.length + index] as const)),
      ofOthers: new Map(others.map(({ node }, index) => [node, firstOther + index] as const)),
      ofValues: new Map(others.map(({ value }, index) => [value, firstOther + index] as const)),
    },
  };
}

/** What is lost with a residual branch: reads of trained parameters, and the computations of its nodes. */
function partsOfBlock(
  { nodes, others, reads }: RemovedParts,
  { ofParameters, ofNodes, ofOthers }: LayerNumbers,
): readonly LostPart[] {
  const part = (layer: number | undefined, count: number): LostPart[] =>
    layer === undefined ? [] : [{ layer, outputs: 0, inputs: 0, reads: count }];
  return [
    ...[...reads].flatMap(([name, count]) => part(ofParameters.get(name), count)),
    ...nodes.flatMap(({ name }) => part(ofNodes.get(name), 1)),
    ...others.flatMap(({ name }) => part(ofOthers.get(name), 1)),
  ];
}

function layerOf(
  name: string,
  [outputs = 1, inputs = 1, ...taps]: Shape,
  { macsOfWeight = 0, isStored = false, reads = 1, ...rest }: Partial<Layer>,
): Layer {
  return { name, outputs, inputs, taps: elementCount(taps), macsOfWeight, isStored, reads, ...rest };
}

/** The residual branches that block factors scale. */
class BlockBranches {
  readonly #parts: BranchParts;
  /** Factor parameter → the branch that it scales. */
  readonly #branches: ReadonlyMap<string, Branch>;

  constructor(graph: Graph) {
    this.#parts = new BranchParts(graph);
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

  removedWith({ parameter }: Factor): RemovedParts {
    const branch = this.#branches.get(parameter);
    return this.#parts.removedWith(branch === undefined ? [] : [branch]);
  }
}

/** The rows and columns of weights that belong to each class of coupled channels. */
class ChannelParts {
  readonly #couplings: Couplings;
  /** Class → layer → the outputs and inputs of the layer that have the class. */
  readonly #parts = new Map<number, Map<number, { outputs: number; inputs: number }>>();
  /** Factor parameter → the nodes that scale by it. */
  readonly #scales = new Map<string, Node<"scale">[]>();

  constructor(graph: Graph, shapes: ReadonlyMap<string, Shape>, { ofParameters, ofNodes, ofValues }: LayerNumbers) {
    this.#couplings = new Couplings(graph, shapes);
    const layers = new Map<string, number[]>([...ofParameters].map(([name, layer]) => [name, [layer]]));
    for (const node of graph.nodes) {
      const [, weights = ""] = node.inputs;
      if (node.op === "scale" && node.attributes.axis === 1) {
        this.#scales.set(weights, [...(this.#scales.get(weights) ?? []), node]);
      }
      const layer = ofNodes.get(node.name);
      if (layer !== undefined) layers.get(weights)?.push(layer);
    }
    for (const [value, layer] of ofValues) {
      for (const one of this.#couplings.classesOf(value, 1)) this.#partOf(one, layer).outputs++;
    }
    for (const [name, own] of layers) {
      for (const axis of this.#couplings.axesOf(name)) {
        for (const one of this.#couplings.classesOf(name, axis)) {
          for (const layer of own) this.#partOf(one, layer)[axis === 0 ? "outputs" : "inputs"]++;
        }
      }
    }
  }

  /** By structure of the factor: the class of its channels. */
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
    return [...(this.#parts.get(one) ?? [])].map(([layer, lost]) => ({ layer, ...lost, reads: 0 }));
  }

  #partOf(one: number, layer: number): { outputs: number; inputs: number } {
    const parts = this.#parts.get(one) ?? new Map<number, { outputs: number; inputs: number }>();
    this.#parts.set(one, parts);
    const part = parts.get(layer) ?? { outputs: 0, inputs: 0 };
    parts.set(layer, part);
    return part;
  }
}
