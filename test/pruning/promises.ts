/** What structures are said to save, against what cutting them saves. */
import { RandomStream } from "../../src/core/random.ts";
import { type Cost, cost } from "../../src/graph/cost.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { compact } from "../../src/pruning/compact.ts";
import { costModel } from "../../src/selection/cost-model.ts";
import { type Factor, selectionKeys } from "../../src/selection/factors.ts";
import { type Placement, place, structureKinds } from "../../src/selection/place.ts";
import { structureCosts } from "../../src/selection/structure-costs.ts";
import { randomWeights, zeroFactors } from "./networks.ts";

/** All structures of `graph`, selected. */
export function placeAll(graph: Graph): Placement {
  return place(graph, Object.fromEntries(structureKinds(graph).map((kind) => [selectionKeys[kind], 0.01])));
}

type Zeros = Readonly<Record<string, readonly number[]>>;

/** What is left of `graph`, in which nothing else is zero, without what `zeros` names. */
function costLeft(graph: Graph, zeros: Zeros): Cost {
  return cost(compact(zeroFactors({ graph, weights: randomWeights(graph, 3) }, zeros)).network.graph);
}

/** Whether a layer loses all of its channels, though each factor keeps some. */
function losesLayer(graph: Graph, zeros: Zeros): boolean {
  const network = zeroFactors({ graph, weights: randomWeights(graph, 3) }, zeros);
  return compact(network).cuts.layers.some(({ kept }) => kept === 0);
}

/** Structures at random, of which each factor but those of blocks keeps one. */
function someOf(factors: readonly Factor[], share: number, seed: number): Zeros {
  const stream = new RandomStream(seed, "zeros");
  return Object.fromEntries(
    factors.map(({ parameter, kind, count }) => {
      const kept = kind === "block" ? -1 : Math.floor(stream.uniform() * count);
      const indices = Array.from({ length: count }, (_, index) => index);
      return [parameter, indices.filter((index) => stream.uniform() < share && index !== kept)] as const;
    }),
  );
}

function promisedLeft({ graph, factors }: Placement, zeros: Zeros): Cost {
  const pruned = Uint8Array.from(
    factors.flatMap(({ parameter, count }) =>
      Array.from({ length: count }, (_, index) => (zeros[parameter]?.includes(index) ? 1 : 0)),
    ),
  );
  const left = (kind: keyof Cost): number => costModel(graph, factors, kind).remaining(pruned).left;
  return { macs: left("macs"), parameters: left("parameters") };
}

function isSame(a: Cost, b: Cost): boolean {
  return a.macs === b.macs && a.parameters === b.parameters;
}

/**
 * Cuts each of the structures of `placement` alone, and sets of them; what was not as it was said, undefined if all
 * was.
 */
export function brokenPromise(placement: Placement): string | undefined {
  const { graph, factors } = placement;
  const whole = cost(graph);
  const differ = (what: string, promised: Cost, found: Cost): string =>
    `${what}: promised ${JSON.stringify(promised)}, found ${JSON.stringify(found)}`;
  const uncut = costLeft(graph, {});
  if (!isSame(uncut, whole)) return differ("nothing cut", whole, uncut);
  for (const { factor, each } of structureCosts(graph, factors).factors) {
    if (each.some(({ macs, parameters }) => macs + parameters <= 0)) return `${factor.parameter} saves nothing`;
    const isWhole = factor.count === 1 && factor.kind !== "block";
    for (const index of isWhole ? [] : new Set([0, factor.count - 1])) {
      const what = `${factor.kind} ${index} of ${factor.parameter}`;
      const zeros = { [factor.parameter]: [index] };
      const left = costLeft(graph, zeros);
      const saved = { macs: whole.macs - left.macs, parameters: whole.parameters - left.parameters };
      const promised = each[index] ?? { macs: Number.NaN, parameters: Number.NaN };
      if (!isSame(saved, promised)) return differ(`saved by ${what}`, promised, saved);
      if (!isSame(promisedLeft(placement, zeros), left))
        return differ(`left without ${what}`, promisedLeft(placement, zeros), left);
    }
  }
  const channelsOnly = factors.filter(({ kind }) => kind !== "block").map(({ parameter }) => parameter);
  for (const [seed, share] of [0.2, 0.5, 0.8].entries()) {
    const zeros = someOf(factors, share, seed);
    const [promised, left] = [promisedLeft(placement, zeros), costLeft(graph, zeros)];
    const ofChannels = Object.fromEntries(channelsOnly.map((parameter) => [parameter, zeros[parameter] ?? []]));
    // What a layer without channels takes with it is more than was promised: counting finds that out.
    const isRight = losesLayer(graph, ofChannels) ? left.macs <= promised.macs : isSame(promised, left);
    if (!isRight) return differ(`left without ${JSON.stringify(zeros)}`, promised, left);
  }
  return undefined;
}
