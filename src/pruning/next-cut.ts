/**
 * Finds the next step of a cut list. Nodes without effect come first: an addition of zeros, or of constants, which
 * become a bias. When there are no such nodes, the step removes the channels that the outputs do not depend on.
 */
import { required } from "../core/errors.ts";
import type { Shape } from "../core/tensor.ts";
import { type Analysed, activationsOf, constantChannels, type Liveness, livingChannels } from "../graph/analysis.ts";
import { Couplings, channelContext } from "../graph/analysis-coupling.ts";
import { channelRule } from "../graph/channels.ts";
import { type Graph, type Network, type Node, producers } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import type { Rounding } from "../graph/width-rounding.ts";
import type { AxisCut, BypassedNode, CutStep } from "./cut-list.ts";
import { padWidths } from "./pad-widths.ts";

export interface FoundStep {
  readonly step: CutStep;
  readonly notes: readonly string[];
}

export interface FindOptions {
  /** Layers keep a multiple of this many channels; default 1. */
  readonly round?: Rounding;
  /** Whether an addition of constants may become a bias; default true. */
  readonly mayAddBias?: boolean;
}

/**
 * The next step that makes the network smaller; undefined if there is none. A parameter that `weights` lacks is unknown
 * and counts as free of zeros. This holds for factors that are not folded, too.
 */
export function findStep(
  { graph, weights }: Network,
  { round = 1, mayAddBias = true }: FindOptions = {},
): FoundStep | undefined {
  const shapes = inferShapes(graph, 1);
  const constants = constantChannels(graph, shapes, weights);
  const analysed: Analysed = { graph, shapes, weights, constants, couplings: new Couplings(graph, shapes) };
  const nodes = bypassedNodes(analysed).filter(({ constant }) => mayAddBias || constant === undefined);
  if (nodes.length > 0) return { step: { kind: "bypass", nodes }, notes: [] };
  const { liveness, notes } = keepPaths(analysed, round);
  const slices = slicesOf(analysed, liveness);
  return Object.keys(slices).length === 0 ? undefined : { step: { kind: "slice", slices }, notes };
}

function dstOf(node: Node): string {
  return required(node.outputs[0], `output of "${node.name}"`);
}

/**
 * The nodes that can be removed without an effect on the outputs. All channels count as kept here: if a channel is zero
 * because of such a node, it must stay zero until a later step removes it. All nodes can be removed at once, because no
 * channel that the outputs depend on changes its value.
 */
function bypassedNodes(analysed: Analysed): BypassedNode[] {
  const { graph, shapes, weights, couplings, constants } = analysed;
  const { demanded } = livingChannels(analysed, new Uint8Array(couplings.count).fill(1));
  return graph.nodes.flatMap((node): BypassedNode[] => {
    const dst = dstOf(node);
    // The node computes a parameter from parameters.
    if (!constants.has(dst)) return [];
    const src = activationsOf(node, constants).map((value) => required(constants.get(value), value));
    const present = required(demanded.get(dst), `demands on "${dst}"`);
    if (!present.includes(1)) return [];
    const found = channelRule(node).bypass(channelContext(node, shapes, weights), src, present);
    if (found === undefined) return [];
    const by = required(node.inputs[found.slot], `input ${found.slot} of "${node.name}"`);
    if (found.constant !== undefined)
      return [{ node: node.name, by, constant: Array.from(found.constant, asJsonFloat) }];
    if (!graph.outputs.includes(dst)) return [{ node: node.name, by }];
    // A graph output keeps its name, so its node stays. A node with several inputs becomes a bias of zeros with one.
    return src.length > 1 ? [{ node: node.name, by, constant: Array.from(present, () => 0) }] : [];
  });
}

/** `value` as a 32-bit float; −0 becomes 0, because JSON has no −0. */
function asJsonFloat(value: number): number {
  return Math.fround(value) + 0;
}

/** The liveness in which every value that is still read has a channel, with a note for each channel kept for that. */
function keepPaths(
  analysed: Analysed,
  round: Rounding,
): { readonly liveness: Liveness; readonly notes: readonly string[] } {
  const { graph, couplings, constants } = analysed;
  const makers = producers(graph);
  const alsoKept = new Uint8Array(couplings.count);
  const notes: string[] = [];
  for (;;) {
    const liveness = livingChannels(analysed, alsoKept);
    let isComplete = true;
    for (const value of valuesRead(analysed, liveness)) {
      const classes = couplings.classesOf(value, 1);
      // A value of shape [N] has no channels.
      if (classes.length === 0 || classes.some((one) => liveness.kept[one] === 1 || alsoKept[one] === 1)) continue;
      const first = required(classes[0], `channel 0 of "${value}"`);
      alsoKept[first] = 1;
      isComplete = false;
      const size = classes.filter((one) => one === first).length;
      const total = required(constants.get(value), value).length;
      if (size === total) continue;
      notes.push(
        `${makers.get(value)?.name ?? value}: none of its ${total} channels affects the outputs, ` +
          `but no path leads around it; it keeps ${size === 1 ? "one" : size}`,
      );
    }
    if (isComplete && !padWidths(analysed, liveness, alsoKept, round)) return { liveness, notes };
  }
}

/** The activations that nodes still read once operands without channels are left out, in execution order. */
function valuesRead({ graph, shapes, weights, couplings, constants }: Analysed, { kept }: Liveness): readonly string[] {
  const indices = (value: string): number[] => keptAlong(couplings, kept, value, 1);
  const read = new Set(graph.outputs);
  const found: string[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!read.has(dstOf(node))) continue;
    const { slots } = channelRule(node).narrow(channelContext(node, shapes, weights), {
      src: (slot) => indices(node.inputs[slot] ?? ""),
      rows: (slot) => keptAlong(couplings, kept, node.inputs[slot] ?? "", 0),
      dst: indices(dstOf(node)),
    });
    for (const slot of slots) {
      const value = node.inputs[slot] ?? "";
      if (!constants.has(value) || read.has(value)) continue;
      read.add(value);
      found.push(value);
    }
  }
  return found.toReversed();
}

function keptAlong(couplings: Couplings, kept: Uint8Array, value: string, axis: number): number[] {
  return [...couplings.classesOf(value, axis)].flatMap((one, index) => (kept[one] === 1 ? index : []));
}

/** By value or parameter: the axes along which classes that contain activations are not kept. */
function slicesOf(analysed: Analysed, { kept }: Liveness): Record<string, readonly AxisCut[]> {
  const { graph, shapes, couplings, constants } = analysed;
  const isActivation = new Uint8Array(couplings.count);
  for (const value of constants.keys()) for (const one of couplings.classesOf(value, 1)) isActivation[one] = 1;
  const stays = kept.map((isOn, one) => (isOn === 1 || isActivation[one] === 0 ? 1 : 0));
  return Object.fromEntries(
    namesOf(graph).flatMap((name) => {
      const shape: Shape = shapes.get(name) ?? [];
      const cuts = couplings
        .axesOf(name)
        .map((axis) => ({ axis, total: shape[axis] ?? 0, kept: keptAlong(couplings, stays, name, axis) }))
        .filter((cut) => cut.kept.length < cut.total);
      return cuts.length > 0 ? [[name, cuts] as const] : [];
    }),
  );
}

function namesOf(graph: Graph): readonly string[] {
  return [...graph.parameters.map(({ name }) => name), ...graph.nodes.flatMap(({ outputs }) => outputs)];
}
