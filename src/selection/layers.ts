/**
 * Finds the layers whose output channels, or groups of them, can be selected one by one. The condition is what cutting
 * needs: each structure is one class of coupled channels, and a factor of zero leaves nothing of that class alive. This
 * leaves out, by the couplings and not by name, the layers that write a residual stream (others write the same channels),
 * the output layer, and channels that a batch norm further on would give a shift again.
 */
import { required } from "../core/errors.ts";
import { constantChannels, livingChannels } from "../graph/analysis.ts";
import { Couplings } from "../graph/analysis-coupling.ts";
import { type Graph, type Node, readers } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";

export interface SelectableLayer {
  readonly kind: "neuron" | "group";
  /** Name of the node with the weights. */
  readonly layer: string;
  /** The value to scale: the layer's output, or that of its batch norm. */
  readonly value: string;
  /** Number of structures. */
  readonly count: number;
}

/**
 * How many structures `classes`, the classes of a layer's channels, fall into: equal runs, one class a run, no class
 * twice; undefined if they fall otherwise.
 */
function structureCount(classes: Int32Array): number | undefined {
  const count = new Set(classes).size;
  const size = classes.length / count;
  const areRuns = classes.every((one, channel) => one === classes[Math.floor(channel / size) * size]);
  return Number.isInteger(size) && areRuns ? count : undefined;
}

/**
 * The layers of `graph` that can have neuron or group factors, in execution order. Where several layers in a row share
 * their channels (a depthwise convolution and the one before it), the last one that can has the factors.
 *
 * A grouped convolution's channels, and those of the layer that feeds it, live and die by whole groups: it has group
 * factors and neither has neuron factors.
 */
export function selectableLayers(graph: Graph): readonly SelectableLayer[] {
  const shapes = inferShapes(graph, 1);
  const couplings = new Couplings(graph, shapes);
  const readersOf = readers(graph);
  const weights = new Set(graph.parameters.filter(({ kind }) => kind === "weights").map(({ name }) => name));
  const claimed = new Set<number>();

  /** Whether zeros in `value` leave none of `classes` alive, whatever the parameters are. */
  const dies = (value: string, classes: Int32Array): boolean => {
    const assumed = new Map([[value, new Float64Array(shapes.get(value)?.[1] ?? 0)]]);
    const constants = constantChannels(graph, shapes, new Map(), assumed);
    const { kept } = livingChannels({ graph, shapes, weights: new Map(), couplings, constants });
    return classes.every((one) => kept[one] === 0);
  };

  const inspect = (node: Node): SelectableLayer | undefined => {
    if (!node.inputs.some((input) => weights.has(input))) return undefined;
    const dst = required(node.outputs[0], `output of "${node.name}"`);
    const classes = couplings.classesOf(dst, 1);
    const count = structureCount(classes);
    const isNeuron = count === classes.length;
    const isGroup = node.op === "convolution" && node.attributes.groups === count;
    if (count === undefined || !(isNeuron || isGroup) || classes.some((one) => claimed.has(one))) return undefined;
    const [next, ...others] = readersOf.get(dst) ?? [];
    const value = next?.op === "batch_normalization" && others.length === 0 ? (next.outputs[0] ?? dst) : dst;
    if (!dies(value, classes)) return undefined;
    for (const one of classes) claimed.add(one);
    return { kind: isNeuron ? "neuron" : "group", layer: node.name, value, count };
  };
  return graph.nodes
    .toReversed()
    .flatMap((node) => inspect(node) ?? [])
    .toReversed();
}
