/**
 * Counts the cost that would remain if the network were cut now. At the end of an epoch the count is exact. Between
 * epochs it is repeated only if the set of zeros has changed, with the other weights of the last epoch, and it takes
 * only a small share of the time.
 */
import { performance } from "node:perf_hooks";
import type { Graph, Network, Weights } from "../../graph/graph.ts";
import type { NetworkCost } from "../events/events.ts";

/** Counting takes at most one part in this many of the time. */
const TIME_SHARE = 200;

export class CostMeter {
  readonly #graph: Graph;
  readonly #countLeft: (network: Network) => Promise<NetworkCost>;
  readonly #now: () => number;
  #weights: Weights;
  #zeros = "";
  #cost: NetworkCost | undefined;
  #countedAt = 0;
  #milliseconds = 0;

  /** `countLeft` returns the cost of a network after a cut; `now` is a clock in milliseconds. */
  constructor(
    { graph, weights }: Network,
    countLeft: (network: Network) => Promise<NetworkCost>,
    now: () => number = () => performance.now(),
  ) {
    this.#graph = graph;
    this.#weights = weights;
    this.#countLeft = countLeft;
    this.#now = now;
  }

  /** Counts the cost of `network` and leaves the last count as it is. */
  countOnce(network: Network): Promise<NetworkCost> {
    return this.#countLeft(network);
  }

  /** Counts with the current `weights`. */
  async count(weights: Weights): Promise<NetworkCost> {
    const start = this.#now();
    this.#weights = weights;
    this.#zeros = this.#zerosOf(weights);
    const counted = await this.#countLeft({ graph: this.#graph, weights });
    this.#cost = counted;
    this.#countedAt = this.#now();
    this.#milliseconds = this.#countedAt - start;
    return counted;
  }

  /**
   * Returns the last count. Counts again if there is none, or if `factors` has other zeros and counting is cheap
   * enough.
   */
  async estimate(factors: Weights): Promise<NetworkCost> {
    const isDue = this.#now() - this.#countedAt >= TIME_SHARE * this.#milliseconds;
    if (this.#cost !== undefined && (!isDue || this.#zerosOf(factors) === this.#zeros)) return this.#cost;
    return this.count(new Map([...this.#weights, ...factors]));
  }

  #zerosOf(weights: Weights): string {
    return this.#graph.parameters
      .filter(({ kind }) => kind === "factor")
      .map(({ name }) => Array.from(weights.get(name)?.data ?? [], (value) => (value === 0 ? "0" : "1")).join(""))
      .join(",");
  }
}
