/**
 * Cutting: from a trained network with factors to the compact one that gives the same answers. Exact: only what a zero
 * makes ineffective goes, never what is small. The algorithm, on the network with its factors folded into the weights:
 *
 * 1. Which channels are constant, from the weights forward (`graph/analysis.ts`).
 * 2. Which channels the outputs depend on, backward; a class of coupled channels stays if one of them is depended on
 *    and not constantly zero.
 * 3. Additions of a constant go; then what does not stay is sliced away. Repeated until nothing changes, so cutting a
 *    compact network does nothing.
 */
import { cost } from "../graph/cost.ts";
import type { Graph, Network } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import { bake } from "../selection/fold.ts";
import { applyStep } from "./apply.ts";
import { type CutList, type CutStep, keptIndices, type LayerCut } from "./cut-list.ts";
import { findStep } from "./next-cut.ts";

export interface CompactOptions {
  /**
   * Widths are kept at multiples of this, as far as the layer had that many channels; default 1, which is any width.
   */
  readonly round?: number;
}

export interface Compact {
  /** Plain: without factors. Nodes and parameters that are left keep their names, outputs all their channels. */
  readonly network: Network;
  readonly cuts: CutList;
  /** Activation of the compact network → the channels of the original that it still has, ascending. */
  readonly kept: ReadonlyMap<string, readonly number[]>;
}

/**
 * Cuts everything out of `network` that has no effect on its outputs; with `round`, but for the channels that fill
 * widths up to a multiple, which stay without effect.
 */
export function compact(network: Network, { round = 1 }: CompactOptions = {}): Compact {
  const whole = bake(network);
  const steps: CutStep[] = [];
  const notes: string[] = [];
  let current = whole;
  for (let found = findStep(current, { round }); found !== undefined; found = findStep(current, { round })) {
    steps.push(found.step);
    notes.push(...found.notes);
    current = applyStep(current, found.step);
  }
  const left = new Set(current.graph.nodes.map(({ name }) => name));
  const cuts: CutList = {
    network: whole.graph.name,
    steps,
    removed: whole.graph.nodes.map(({ name }) => name).filter((name) => !left.has(name)),
    layers: layerCuts(whole.graph, current.graph),
    before: cost(whole.graph),
    after: cost(current.graph),
    notes,
  };
  const shapes = inferShapes(whole.graph, 1);
  const values = [
    ...current.graph.inputs.map(({ name }) => name),
    ...current.graph.nodes.flatMap((node) => node.outputs),
  ];
  const kept = new Map(values.map((value) => [value, keptIndices(steps, value, 1, shapes.get(value)?.[1] ?? 0)]));
  return { network: current, cuts, kept };
}

/** What can be cut out of `network`, as data; `applyCuts` carries it out. */
export function cutList(network: Network, options: CompactOptions = {}): CutList {
  return compact(network, options).cuts;
}

function layerCuts(before: Graph, after: Graph): readonly LayerCut[] {
  const weights = new Set(before.parameters.filter(({ kind }) => kind === "weights").map(({ name }) => name));
  const [shapes, shapesAfter] = [inferShapes(before, 1), inferShapes(after, 1)];
  return before.nodes
    .filter(({ inputs }) => inputs.some((input) => weights.has(input)))
    .map(({ name, outputs: [dst = ""] }) => ({
      layer: name,
      total: shapes.get(dst)?.[1] ?? 0,
      kept: shapesAfter.get(dst)?.[1] ?? 0,
    }));
}
