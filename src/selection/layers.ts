/**
 * Finds the layers whose output channels, or groups of them, can get a factor each. Pruning needs two conditions: each
 * structure is one class of coupled channels, and a factor of zero makes the whole class zero. The couplings, not the
 * names, leave out three cases: layers that write a stream (other layers write the same channels; see `streams.ts`),
 * the output layer, and channels to which a later batch norm adds a shift.
 */
import { required } from "../core/errors.ts";
import type { Node } from "../graph/graph.ts";
import type { PlacementAnalysis, Site } from "./placement-analysis.ts";

/** Structures that share one λ parameter. */
export interface Selectable {
  readonly kind: "neuron" | "group" | "stream";
  /** Name of the node with the weights; for a stream, of its first addition or concatenation. */
  readonly layer: string;
  /** The values to scale: the output of the layer or of its batch norm; for a stream, several values. */
  readonly sites: readonly Site[];
  /** Number of structures. */
  readonly count: number;
}

/**
 * The number of structures of a layer whose channels have the classes `classes`. Each structure is a run of channels of
 * one class, and all runs are equally long; undefined if the classes have any other order.
 */
export function structureCount(classes: Int32Array): number | undefined {
  const count = new Set(classes).size;
  const size = classes.length / count;
  const areRuns = classes.every((one, channel) => one === classes[Math.floor(channel / size) * size]);
  return Number.isInteger(size) && areRuns ? count : undefined;
}

/**
 * The kind of `count` structures over the channels of `layer`: its neurons, or its groups or those of a group norm
 * behind it; undefined if they are neither. Groups of one channel each count as neurons. They count as groups if the
 * network has wider groups too: a ResNeXt may start with one channel per group.
 */
export function layerKind(
  analysis: PlacementAnalysis,
  layer: Node,
  channels: number,
  count: number,
): "neuron" | "group" | undefined {
  const hasGroups = layer.op === "convolution" || layer.op === "deconvolution";
  const own = hasGroups ? layer.attributes.groups : 1;
  const isGrouped = count > 1 && (own > 1 ? own : analysis.normalisedGroups(layer)) === count;
  if (count === channels) return isGrouped && analysis.hasWideGroups ? "group" : "neuron";
  return isGrouped ? "group" : undefined;
}

/**
 * The layers that can have neuron or group factors, in execution order. If several layers in a row share their channels
 * (a depthwise convolution and the convolution before it), the last possible one gets the factors.
 *
 * Pruning removes whole groups from a grouped convolution and from the layer that feeds it. So the grouped convolution
 * gets group factors, and neither of the two gets neuron factors.
 */
export function selectableLayers(analysis: PlacementAnalysis): readonly Selectable[] {
  const claimed = new Set<number>();
  const inspect = (layer: Node): Selectable | undefined => {
    if (analysis.isFrozen(layer)) return undefined;
    const classes = analysis.classesOf(required(layer.outputs[0], `output of "${layer.name}"`));
    const count = structureCount(classes);
    const kind = count === undefined ? undefined : layerKind(analysis, layer, classes.length, count);
    if (count === undefined || kind === undefined || classes.some((one) => claimed.has(one))) return undefined;
    const site = analysis.siteBehind(layer);
    if (!analysis.haveNoEffect([site.value], classes) || analysis.splitsSharedWeights([site])) return undefined;
    for (const one of classes) claimed.add(one);
    return { kind, layer: layer.name, sites: [site], count };
  };
  return analysis.layers
    .toReversed()
    .flatMap((layer) => inspect(layer) ?? [])
    .toReversed();
}
