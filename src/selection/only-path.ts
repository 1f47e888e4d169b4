/** Which factors are on the only path through a network: of those, one must stay, or every image gets the same answer. */
import type { Shape } from "../core/tensor.ts";
import { tensor } from "../core/tensor.ts";
import { constantChannels } from "../graph/analysis.ts";
import type { Graph, Weights } from "../graph/graph.ts";
import { inferShapes } from "../graph/shapes.ts";

/** The output of a scale node, and its `first`. */
export interface ScaledValue {
  readonly value: string;
  readonly first?: number;
}

/**
 * The shortest run of factors [start, end) that the outputs cannot do without: with all of them at zero, the outputs would
 * depend on no input. Undefined if the network has a way around all `count` of them. Values of different widths take
 * different runs of the factors of a stream; a run that ends inside a longer one guards that one too.
 */
export function keptRun(
  graph: Graph,
  values: readonly ScaledValue[],
  count: number,
): readonly [number, number] | undefined {
  const shapes = shapesOf(graph);
  const channelsOf = (value: string): number => shapes.get(value)?.[1] ?? 0;
  const runs = new Map<string, readonly [number, number]>();
  for (const { value, first } of values) {
    const run = [first ?? 0, first === undefined ? count : first + channelsOf(value)] as const;
    runs.set(run.join(), run);
  }
  const shortestFirst = [...runs.values()].toSorted(([a, b], [c, d]) => b - a - (d - c));
  return shortestFirst.find(([start, end]) => {
    const assumed = values.map(({ value, first }) => {
      const channels = channelsOf(value);
      const isZero = (channel: number): boolean => {
        const factor = first === undefined ? Math.floor((channel * count) / channels) : first + channel;
        return factor >= start && factor < end;
      };
      return [
        value,
        Float64Array.from({ length: channels }, (_, channel) => (isZero(channel) ? 0 : Number.NaN)),
      ] as const;
    });
    const constants = constantChannels(graph, shapes, unshifted(graph), new Map(assumed));
    return graph.outputs.every(
      (output) => constants.get(output)?.every((constant) => !Number.isNaN(constant)) ?? false,
    );
  });
}

const shapesSeen = new WeakMap<Graph, ReadonlyMap<string, Shape>>();

function shapesOf(graph: Graph): ReadonlyMap<string, Shape> {
  const shapes = shapesSeen.get(graph) ?? inferShapes(graph, 1);
  shapesSeen.set(graph, shapes);
  return shapes;
}

/** With shifts and biases at zero, a value that does not depend on the input is zero. */
function unshifted(graph: Graph): Weights {
  return new Map(
    graph.parameters
      .filter(({ kind }) => kind === "bias" || kind === "shift" || kind === "running_mean")
      .map(({ name, shape }) => [name, tensor(shape)]),
  );
}
