/** Which factors are on the only path through a network: of those, one must stay, or every image gets the same answer. */
import { type Shape, tensor } from "../core/tensor.ts";
import { type Constants, constantChannels } from "../graph/analysis.ts";
import type { Graph, Weights } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";

/** The output of a scale node, and its `first`. */
export interface ScaledValue {
  readonly value: string;
  readonly first?: number;
}

/** Looks for the only path through one graph; what it finds out about the graph is shared between its questions. */
export class OnlyPath {
  readonly #graph: Graph;
  readonly #shapes: ReadonlyMap<string, Shape>;
  /** With shifts and biases at zero, a value that does not depend on the input is zero. */
  readonly #unshifted: Weights;
  readonly #constants: Constants;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#shapes = inferShapes(graph, 1);
    this.#unshifted = new Map(
      graph.parameters
        .filter(({ kind }) => kind === "bias" || kind === "shift" || kind === "running_mean")
        .map(({ name, shape }) => [name, tensor(shape)]),
    );
    this.#constants = constantChannels(graph, this.#shapes, this.#unshifted);
  }

  /**
   * The shortest run of factors [start, end) that the outputs cannot do without: with all of them at zero, the outputs would
   * depend on no input. Undefined if the network has a way around all `count` of them. Values of different widths take
   * different runs of the factors of a stream; a run that ends inside a longer one guards that one too.
   */
  keptRun(values: readonly ScaledValue[], count: number): readonly [number, number] | undefined {
    const runs = new Map<string, readonly [number, number]>();
    for (const { value, first } of values) {
      const run = [first ?? 0, first === undefined ? count : first + this.#channelsOf(value)] as const;
      runs.set(run.join(), run);
    }
    const shortestFirst = [...runs.values()].toSorted(([a, b], [c, d]) => b - a - (d - c));
    return shortestFirst.find((run) => this.#isNeeded(values, count, run));
  }

  #isNeeded(values: readonly ScaledValue[], count: number, [start, end]: readonly [number, number]): boolean {
    const assumed = values.map(({ value, first }) => {
      const channels = this.#channelsOf(value);
      const isZero = (channel: number): boolean => {
        const factor = first === undefined ? Math.floor((channel * count) / channels) : first + channel;
        return factor >= start && factor < end;
      };
      const zeros = Float64Array.from({ length: channels }, (_, channel) => (isZero(channel) ? 0 : Number.NaN));
      return [value, zeros] as const;
    });
    const constants = constantChannels(this.#graph, this.#shapes, this.#unshifted, new Map(assumed), this.#constants);
    return this.#graph.outputs.every(
      (output) => constants.get(output)?.every((constant) => !Number.isNaN(constant)) ?? false,
    );
  }

  #channelsOf(value: string): number {
    return this.#shapes.get(value)?.[1] ?? 0;
  }
}
