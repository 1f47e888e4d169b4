/**
 * What would remain if the network were cut now. Exact at the end of an epoch; in between, counted again only when the
 * set of zeros has changed, with the other weights as of the last epoch, and never for more than a small share of the
 * time.
 */
import { performance } from "node:perf_hooks";
import type { Graph, Network, Weights } from "../graph/graph.ts";
import type { NetworkCost } from "./events.ts";

/** Counting may take one part in so many of the time. */
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

  /** `countLeft`: what is left of a network once it is cut; `now`: a clock in milliseconds. */
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

  /** Counts with all `weights` as they are now. */
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
   * The last count, made anew if there is none, or if `factors` has other zeros and counting is cheap enough by now.
   */
  async glance(factors: Weights): Promise<NetworkCost> {
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
