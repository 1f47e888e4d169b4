/**
 * What would remain if the network were cut now. Exact at the end of an epoch; in between, counted again only when the
 * set of zeros has changed, with the other weights as of the last epoch, and never for more than a small share of the time.
 */
import { performance } from "node:perf_hooks";
import { cost } from "../graph/cost.ts";
import type { Graph, Weights } from "../graph/graph.ts";
import { compact } from "../pruning/compact.ts";
import type { NetworkCost } from "./events.ts";

/** Counting may take one part in so many of the time. */
const TIME_SHARE = 50;

export class CostMeter {
  readonly #graph: Graph;
  readonly #now: () => number;
  readonly #round: number;
  #weights: Weights;
  #zeros = "";
  #cost: NetworkCost;
  #countedAt = 0;
  #milliseconds = 0;

  /** `now`: a clock in milliseconds; `round`: what widths are kept at multiples of. */
  constructor(graph: Graph, weights: Weights, now: () => number = () => performance.now(), round = 1) {
    this.#graph = graph;
    this.#round = round;
    this.#now = now;
    this.#weights = weights;
    this.#cost = this.count(weights);
  }

  /** Counts with all `weights` as they are now. */
  count(weights: Weights): NetworkCost {
    const start = this.#now();
    this.#weights = weights;
    this.#zeros = this.#zerosOf(weights);
    const { macs, parameters } = cost(compact({ graph: this.#graph, weights }, { round: this.#round }).network.graph);
    this.#cost = { macs, parameters };
    this.#countedAt = this.#now();
    this.#milliseconds = this.#countedAt - start;
    return this.#cost;
  }

  /** The last count, made anew if `factors` has other zeros and counting is cheap enough by now. */
  glance(factors: Weights): NetworkCost {
    const isDue = this.#now() - this.#countedAt >= TIME_SHARE * this.#milliseconds;
    if (!isDue || this.#zerosOf(factors) === this.#zeros) return this.#cost;
    return this.count(new Map([...this.#weights, ...factors]));
  }

  #zerosOf(weights: Weights): string {
    return this.#graph.parameters
      .filter(({ kind }) => kind === "factor")
      .map(({ name }) => Array.from(weights.get(name)?.data ?? [], (value) => (value === 0 ? "0" : "1")).join(""))
      .join(",");
  }
}
