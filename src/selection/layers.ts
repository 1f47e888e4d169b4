/**
 * Finds the layers whose output channels, or groups of them, can be selected one by one. The condition is what cutting
 * needs: each structure is one class of coupled channels, and a factor of zero leaves nothing of that class alive. This
 * leaves out, by the couplings and not by name, the layers that write a stream (others write the same channels; see
 * `streams.ts`), the output layer, and channels that a batch norm further on would give a shift again.
 */
import { required } from "../core/errors.ts";
import type { Node } from "../graph/graph.ts";
import type { SelectionFacts, Site } from "./placement-analysis.ts";

/** Structures with one λ parameter between them. */
export interface Selectable {
  readonly kind: "neuron" | "group" | "stream";
  /** Name of the node with the weights; of a stream, of the first node that joins what is written to it. */
  readonly layer: string;
  /** The values to scale: the layer's output, or that of its batch norm; of a stream, several. */
  readonly sites: readonly Site[];
  /** Number of structures. */
  readonly count: number;
}

/**
 * How many structures `classes`, the classes of a layer's channels, fall into: equal runs, one class a run, no class
 * twice; undefined if they fall otherwise.
 */
export function structureCount(classes: Int32Array): number | undefined {
  const count = new Set(classes).size;
  const size = classes.length / count;
  const areRuns = classes.every((one, channel) => one === classes[Math.floor(channel / size) * size]);
  return Number.isInteger(size) && areRuns ? count : undefined;
}

/**
 * What `count` structures over the channels of `layer` are: its neurons, its groups, or nothing that is selected.
 * Groups of one channel are neurons, but groups in a network that has wider ones too: a ResNeXt may start with one
 * channel a group.
 */
export function layerKind(
  facts: SelectionFacts,
  layer: Node,
  channels: number,
  count: number,
): "neuron" | "group" | undefined {
  const isGrouped = layer.op === "convolution" && layer.attributes.groups === count && count > 1;
  if (count === channels) return isGrouped && facts.hasWideGroups ? "group" : "neuron";
  return isGrouped ? "group" : undefined;
}

/**
 * The layers that can have neuron or group factors, in execution order. Where several layers in a row share their
 * channels (a depthwise convolution and the one before it), the last one that can has the factors.
 *
 * A grouped convolution's channels, and those of the layer that feeds it, live and die by whole groups: it has group
 * factors and neither has neuron factors.
 */
export function selectableLayers(facts: SelectionFacts): readonly Selectable[] {
  const claimed = new Set<number>();
  const inspect = (layer: Node): Selectable | undefined => {
    const classes = facts.classesOf(required(layer.outputs[0], `output of "${layer.name}"`));
    const count = structureCount(classes);
    const kind = count === undefined ? undefined : layerKind(facts, layer, classes.length, count);
    if (count === undefined || kind === undefined || classes.some((one) => claimed.has(one))) return undefined;
    const site = facts.siteBehind(layer);
    if (!facts.dies([site.value], classes) || facts.partsWeights([site])) return undefined;
    for (const one of classes) claimed.add(one);
    return { kind, layer: layer.name, sites: [site], count };
  };
  return facts.layers
    .toReversed()
    .flatMap((layer) => inspect(layer) ?? [])
    .toReversed();
}
