/**
 * Finds the factors on the only path through a network. One of them must stay above zero, or the network gives every
 * image the same answer.
 */
import { tensor } from "../core/tensor.ts";
import { ActivationIndex } from "../graph/activation-index.ts";
import { constantChannels } from "../graph/analysis.ts";
import { AssumedConstants } from "../graph/assumed-constants.ts";
import type { Graph } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";

/** The output of a scale node, and the node's attribute `first`. */
export interface ScaledValue {
  readonly value: string;
  readonly first?: number;
}

/**
 * Finds the factors on the only path through one graph. It keeps its answers and uses them for the next questions. Ask
 * about the last values first: the answer for a later value often gives the answer for an earlier one.
 */
export class RequiredPath {
  readonly #index: ActivationIndex;
  readonly #assumed: AssumedConstants;
  readonly #outputs: readonly (readonly number[])[];
  /** Value → whether the outputs depend on no input if all channels of the value are zero. */
  readonly #known = new Map<number, boolean>();

  constructor(graph: Graph) {
    const shapes = inferShapes(graph, 1);
    // With shifts and biases at zero, every value that does not depend on the input is zero.
    const unshifted = new Map(
      graph.parameters
        .filter(({ kind }) => kind === "bias" || kind === "shift" || kind === "running_mean")
        .map(({ name, shape }) => [name, tensor(shape)]),
    );
    this.#index = new ActivationIndex(graph, shapes, unshifted);
    this.#assumed = new AssumedConstants(this.#index, constantChannels(graph, shapes, unshifted));
    this.#outputs = graph.outputs.map((output) => this.#index.channelsOf(output));
  }

  /** How many channels the search has visited so far. */
  get visits(): number {
    return this.#assumed.visits;
  }

  /**
   * The shortest range of factors [start, end) that the outputs need: with all of them at zero, the outputs would not
   * depend on the input. Undefined if the network has a path around all `count` factors. In a stream, values of
   * different widths use different ranges of the factors. One factor that stays in a range also serves every longer
   * range that contains it.
   */
  keptRun(values: readonly ScaledValue[], count: number): readonly [number, number] | undefined {
    const runs = new Map<string, readonly [number, number]>();
    for (const { value, first } of values) {
      const run = [first ?? 0, first === undefined ? count : first + this.#index.channelsOf(value).length] as const;
      runs.set(run.join(), run);
    }
    const shortestFirst = [...runs.values()].toSorted(([a, b], [c, d]) => b - a - (d - c));
    return shortestFirst.find((run) => this.#isNeeded(values, count, run));
  }

  #isNeeded(values: readonly ScaledValue[], count: number, [start, end]: readonly [number, number]): boolean {
    const zeros = values.flatMap(({ value, first }) => {
      const channels = this.#index.channelsOf(value);
      return channels.filter((_, channel) => {
        const factor = first === undefined ? Math.floor((channel * count) / channels.length) : first + channel;
        return factor >= start && factor < end;
      });
    });
    const [zero = 0] = zeros;
    const value = this.#index.valueOf[zero] ?? 0;
    const isOneValue = values.length === 1 && zeros.length === this.#channelsOf(value).length;
    try {
      let known: boolean | undefined;
      this.#assumed.assume(zeros);
      this.#assumed.advance((last) => {
        if (last !== value && this.#isZero(last)) known = this.#known.get(last);
        return known !== undefined;
      });
      const isNeeded = known ?? this.#outputsAreConstant();
      if (isOneValue) this.#known.set(value, isNeeded);
      return isNeeded;
    } finally {
      this.#assumed.forget();
    }
  }

  #isZero(value: number): boolean {
    return this.#channelsOf(value).every((constant) => constant === 0);
  }

  #outputsAreConstant(): boolean {
    const { now } = this.#assumed;
    return this.#outputs.every(
      (channels) => channels.length > 0 && channels.every((one) => !Number.isNaN(now[one] ?? Number.NaN)),
    );
  }

  /** The present constants of `value`, by channel. */
  #channelsOf(value: number): Float64Array {
    return this.#assumed.now.subarray(this.#index.starts[value], this.#index.starts[value + 1]);
  }
}
