/** Prints a graph as a table with one row per node: its output shape and its cost. */
import { requireArguments } from "../core/arguments.ts";
import { elementCount } from "../core/tensor.ts";
import { cost, nodeMacs } from "./cost.ts";
import type { Graph, Node, SymbolicShape, Weights } from "./graph.ts";
import type { OpName } from "./ops.ts";
import { inferShapes } from "./shapes.ts";

export interface LayerRow {
  readonly name: string;
  readonly op: OpName;
  /** The shape of the first output; "N" is the batch size. */
  readonly output: SymbolicShape;
  /** Trained parameters without factors. A shared parameter counts at the first node that reads it. */
  readonly parameters: number;
  /** Multiply-accumulates of one image. */
  readonly macs: number;
  /** Scaling factors. Shared factors count at the first node that applies them. */
  readonly structures: number;
  /** How many of the node's factors are not zero; absent without weights. */
  readonly alive?: number;
}

/** One row for each node of `graph`, in execution order; parameters and MACs add up to `cost(graph)`. */
export function layerRows(graph: Graph, weights?: Weights): readonly LayerRow[] {
  requireArguments("layerRows", { graph: [graph, "graph"], weights: [weights, "map?"] });
  const shapes = inferShapes(graph, 1);
  const kinds = new Map(graph.parameters.map(({ name, kind }) => [name, kind]));
  const counted = new Set<string>();
  const parametersOf = (node: Node): number => {
    let sum = 0;
    for (const input of node.inputs) {
      const kind = kinds.get(input);
      const isTrained = kind === "weights" || kind === "bias" || kind === "scale" || kind === "shift";
      if (!isTrained || counted.has(input)) continue;
      counted.add(input);
      sum += elementCount(shapes.get(input) ?? []);
    }
    return sum;
  };
  return graph.nodes.map((node): LayerRow => {
    const [first = 0, ...rest] = shapes.get(node.outputs[0] ?? "") ?? [];
    const isOfParameters = node.op === "scale" && node.attributes.axis === 0;
    const factor = node.op === "scale" ? (node.inputs[1] ?? "") : undefined;
    const isCounted = factor === undefined || counted.has(factor);
    const values = factor === undefined ? undefined : weights?.get(factor)?.data;
    if (factor !== undefined) counted.add(factor);
    return {
      name: node.name,
      op: node.op,
      output: [isOfParameters ? first : "N", ...rest],
      parameters: parametersOf(node),
      macs: nodeMacs(node, shapes),
      structures: isCounted ? 0 : elementCount(shapes.get(factor) ?? []),
      ...(values === undefined ? {} : { alive: values.reduce((alive, value) => alive + (value === 0 ? 0 : 1), 0) }),
    };
  });
}

/** The rows of `graph` as text, with a heading and a line of sums. There is no line break at the end. */
export function formatLayers(graph: Graph, weights?: Weights): string {
  requireArguments("formatLayers", { graph: [graph, "graph"], weights: [weights, "map?"] });
  const rows = layerRows(graph, weights);
  const { parameters, macs } = cost(graph);
  const structures = rows.reduce((sum, row) => sum + row.structures, 0);
  const count = (value: number): string => (value === 0 ? "" : value.toLocaleString("en-US"));
  const lines = [
    ["layer", "op", "output", "parameters", "MACs", "structures"],
    ...rows.map((row) => [
      row.name,
      row.op,
      row.output.join("×"),
      count(row.parameters),
      count(row.macs),
      row.alive === undefined || row.structures === 0 ? count(row.structures) : `${row.alive} of ${row.structures}`,
    ]),
    [`${graph.name}, all layers`, "", "", count(parameters), count(macs), count(structures)],
  ];
  const widths = lines.reduce<number[]>(
    (widest, cells) => cells.map((cell, column) => Math.max(cell.length, widest[column] ?? 0)),
    [],
  );
  const firstNumber = 3;
  return lines
    .map((cells) =>
      cells
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return column < firstNumber ? cell.padEnd(width) : cell.padStart(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
