/**
 * The two analyses behind placing factors and pruning channels: which channels are constant, and which channels the
 * outputs depend on. Both are exact: a channel counts as ineffective only because of a zero, never because it is small.
 */
import { invariant, required } from "../core/errors.ts";
import type { Shape } from "../core/tensor.ts";
import { type Couplings, channelContext } from "./analysis-coupling.ts";
import { channelsOf } from "./channels/rule.ts";
import { channelRule } from "./channels.ts";
import type { Graph, Node, Weights } from "./graph.ts";

/** By activation: the constant of each channel, `NaN` for a channel that varies. Parameters have no entry. */
export type Constants = ReadonlyMap<string, Float64Array>;

/** The inputs of `node` that are activations: those with an entry in `constants`. */
export function activationsOf(node: Node, constants: Constants): readonly string[] {
  return node.inputs.filter((input) => constants.has(input));
}

/** The constants of every activation. A parameter that `weights` lacks is unknown and counts as free of zeros. */
export function constantChannels(graph: Graph, shapes: ReadonlyMap<string, Shape>, weights: Weights): Constants {
  const constants = new Map<string, Float64Array>();
  for (const { name } of graph.inputs) {
    constants.set(name, new Float64Array(channelsOf(shapes.get(name))).fill(Number.NaN));
  }
  for (const node of graph.nodes) {
    const src = activationsOf(node, constants).map((input) => required(constants.get(input), input));
    // The node reads only parameters (it folds factors into weights), so its output is no activation.
    if (src.length === 0) continue;
    const context = channelContext(node, shapes, weights);
    const constantAt = channelRule(node).constants(context, src);
    const own = Float64Array.from({ length: channelsOf(context.dstShape) }, (_, channel) => constantAt(channel));
    constants.set(required(node.outputs[0], `output of "${node.name}"`), own);
  }
  return constants;
}

/** The channels that the outputs depend on, and the classes that stay because of them. */
export interface Liveness {
  /** By class of the couplings: 1 if the class is kept. */
  readonly kept: Uint8Array;
  /** By activation: 1 for each channel that the outputs depend on. See `livingChannels`. */
  readonly demanded: ReadonlyMap<string, Uint8Array>;
}

/** The input of `livingChannels`. */
export interface Analysed {
  readonly graph: Graph;
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly weights: Weights;
  readonly couplings: Couplings;
  readonly constants: Constants;
}

/**
 * Finds the channels that the outputs depend on, by walking backwards until nothing changes. A channel is demanded if a
 * channel that is demanded and kept reads it. A class is kept if it has a demanded channel that is not constantly zero.
 * Inputs and outputs keep all their channels, and the classes in the mask `alsoKept` are kept too.
 *
 * Removing all other classes is exact: every channel that a demanded and kept channel reads is demanded. It is either
 * kept, or it was constantly zero.
 */
export function livingChannels(analysed: Analysed, alsoKept?: Uint8Array): Liveness {
  const { graph, shapes, weights, couplings, constants } = analysed;
  const kept = alsoKept === undefined ? new Uint8Array(couplings.count) : alsoKept.slice();
  const demanded = new Map<string, Uint8Array>();
  for (const [value, channels] of constants) demanded.set(value, new Uint8Array(channels.length));
  for (const value of [...graph.inputs.map(({ name }) => name), ...graph.outputs]) {
    for (const one of couplings.classesOf(value, 1)) kept[one] = 1;
  }
  for (const value of graph.outputs) demanded.get(value)?.fill(1);

  const nodes = graph.nodes.filter((node) => activationsOf(node, constants).length > 0);
  const contexts = nodes.map((node) => channelContext(node, shapes, weights));
  const classes = new Map([...constants.keys()].map((value) => [value, couplings.classesOf(value, 1)] as const));
  let isStable = false;
  while (!isStable) {
    isStable = true;
    for (let index = nodes.length - 1; index >= 0; index--) {
      const node = required(nodes[index], "node");
      const dst = required(node.outputs[0], `output of "${node.name}"`);
      const present = presentAndDemanded(demanded.get(dst), classes.get(dst), kept);
      // One number an image has no axis of channels that could say that it is needed.
      if (present.length > 0 && !present.includes(1)) continue;
      const masks = channelRule(node).demands(required(contexts[index], "context"), present);
      for (const [slot, mask] of masks.entries()) {
        if (demand(node.inputs[slot] ?? "", mask)) isStable = false;
      }
    }
  }
  return { kept, demanded };

  /** Marks the channels in `mask` as demanded. Returns true if one of them was not demanded before. */
  function demand(value: string, mask: Uint8Array): boolean {
    const before = required(demanded.get(value), `demands on "${value}"`);
    const own = required(classes.get(value), `classes of "${value}"`);
    const constant = required(constants.get(value), `constants of "${value}"`);
    invariant(mask.length === before.length, `a mask of ${mask.length} channels for "${value}"`);
    let isNew = false;
    for (let channel = 0; channel < mask.length; channel++) {
      if (mask[channel] !== 1 || before[channel] === 1) continue;
      before[channel] = 1;
      isNew = true;
      if (constant[channel] !== 0) kept[own[channel] ?? 0] = 1;
    }
    return isNew;
  }
}

/** The mask of channels that are demanded and whose class is kept. */
function presentAndDemanded(
  demanded: Uint8Array | undefined,
  classes: Int32Array | undefined,
  kept: Uint8Array,
): Uint8Array {
  const present = new Uint8Array(demanded?.length ?? 0);
  for (let channel = 0; channel < present.length; channel++) {
    if (demanded?.[channel] === 1 && kept[classes?.[channel] ?? 0] === 1) present[channel] = 1;
  }
  return present;
}
