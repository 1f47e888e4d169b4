/**
 * Turns a trained network with factors into the compact network that gives the same answers. This is exact: it removes
 * only what a zero makes ineffective, never what is merely small. First the factors are folded into the weights. Then
 * these steps repeat until nothing changes:
 *
 * 1. A forward pass over the graph finds the constant channels (`graph/analysis.ts`).
 * 2. A backward pass finds the channels that the outputs depend on. A class of coupled channels stays if the outputs
 *    depend on one of them that is not constantly zero.
 * 3. Additions of a constant are removed. If there are none, all channels that do not stay are removed.
 *
 * So a compact network stays as it is.
 */
import { requireArguments } from "../core/arguments.ts";
import { cost } from "../graph/cost.ts";
import type { Graph, Network } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";
import type { Rounding } from "../graph/width-rounding.ts";
import { bake } from "../selection/fold.ts";
import { applyStep } from "./apply.ts";
import { type CutList, type CutStep, keptIndices, type LayerCut } from "./cut-list.ts";
import { findStep } from "./next-cut.ts";

export interface CompactOptions {
  /** Layers keep a multiple of this many channels, or all their channels. Default 1: any number. */
  readonly round?: Rounding;
}

export interface Compact {
  /**
   * The compact network, without factors. Its nodes and parameters keep their names, its outputs all their channels.
   */
  readonly network: Network;
  /** The changes that turn the original network into the compact one. */
  readonly cuts: CutList;
  /** Activation of the compact network → the channels of the original network that it keeps, ascending. */
  readonly kept: ReadonlyMap<string, readonly number[]>;
}

/**
 * Removes everything from `network` that has no effect on its outputs. With `round`, it keeps as many of these channels
 * as bring each width to a multiple.
 */
export function compact(network: Network, options: CompactOptions = {}): Compact {
  requireArguments("compact", { network: [network, "network"], options: [options, "object"] });
  const { round = 1 } = options;
  requireArguments("compact", {
    "options.round": [typeof round === "object" ? round?.multiple : round, "positive whole number"],
  });
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

/** The cuts that `compact` makes in `network`, as data. `applyCuts` applies them. */
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
