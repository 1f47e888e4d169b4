/** Prunes networks at random, to measure the effect of pruning without training. */
import { required } from "../../src/core/errors.ts";
import { RandomStream } from "../../src/core/random.ts";
import { tensor } from "../../src/core/tensor.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Network } from "../../src/graph/graph.ts";
import type { Rounding } from "../../src/graph/width-rounding.ts";
import { initialize } from "../../src/models/initialize.ts";
import { compact } from "../../src/pruning/compact.ts";
import { place, type Selection } from "../../src/selection/place.ts";
import { plainGraph } from "./networks.ts";

export interface RandomCut {
  readonly network: Network;
  /** Share of the MACs of the whole network that is left. */
  readonly shareOfMacs: number;
}

export interface RandomCutOptions {
  /** MACs to keep, as a share of all. */
  readonly share: number;
  /** Kinds of structures to prune. */
  readonly kinds: readonly (keyof Selection)[];
  /** Widths are kept at multiples of this. */
  readonly round: Rounding;
  readonly seed: number;
}

/** Steps of the bisection for the share of structures: precise to less than one structure of any layer. */
const HALVINGS = 12;

/**
 * Prunes structures of `model` at random, with the same probability in every layer, until the MACs that are left are as
 * near to `share` as widths allow. At least one structure of each layer stays.
 */
export function randomCut(model: string, { share, kinds, round, seed }: RandomCutOptions): RandomCut {
  const plain = plainGraph(model);
  const { graph, factors } = place(plain, Object.fromEntries(kinds.map((kind) => [kind, 0] as const)));
  const weights = initialize(graph, seed);
  const whole = cost(plain).macs;
  const chances = new Map(
    factors.map(({ parameter, count }) => {
      const random = new RandomStream(seed, `cut:${parameter}`);
      return [parameter, Float64Array.from({ length: count }, () => random.uniform())] as const;
    }),
  );
  const cutAt = (kept: number): RandomCut => {
    const scaled = new Map(weights);
    for (const { parameter, count } of factors) {
      const draws = required(chances.get(parameter), `draws of "${parameter}"`);
      const alive = Math.max(kept, Math.min(...draws));
      const values = tensor([count]);
      draws.forEach((draw, index) => {
        values.data[index] = draw <= alive ? 1 : 0;
      });
      scaled.set(parameter, values);
    }
    const { network } = compact({ graph, weights: scaled }, { round });
    return { network, shareOfMacs: cost(network.graph).macs / whole };
  };
  let [low, high] = [0, 1];
  let best = cutAt(1);
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (low + high) / 2;
    const found = cutAt(middle);
    if (Math.abs(found.shareOfMacs - share) < Math.abs(best.shareOfMacs - share)) best = found;
    if (found.shareOfMacs > share) high = middle;
    else low = middle;
  }
  return best;
}
