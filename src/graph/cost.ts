/** Counts the cost of a network: multiply-accumulates (MACs) of one image, and parameters. */
import { requireArguments } from "../core/arguments.ts";
import { elementCount, type Shape } from "../core/tensor.ts";
import type { Graph, Node } from "./graph.ts";
import { inferShapes } from "./shapes.ts";

/** The cost of a network. */
export interface Cost {
  /**
   * Multiply-accumulates of one image, which the paper calls FLOPs: those of convolutions, linear layers and products
   * of values.
   */
  readonly macs: number;
  /** Weights, biases, and the scales and shifts of batch norms. Factors and running statistics do not count. */
  readonly parameters: number;
  /** Predicted milliseconds of a run, if a latency table is at hand (`latency/predict.ts`). */
  readonly latency?: number;
}

/** Whether `node` multiplies its first input by weights. */
export function hasWeights({ op }: Node): boolean {
  return op === "convolution" || op === "deconvolution" || op === "linear";
}

/** The MACs of one node for one image: of nodes with weights, as in the paper, and of products of two values. */
export function nodeMacs(node: Node, shapes: ReadonlyMap<string, Shape>): number {
  if (node.op === "matmul") {
    const [left, dst] = [node.inputs[0], node.outputs[0]].map((name) => shapes.get(name ?? "") ?? []);
    return elementCount(dst?.slice(1) ?? []) * (left?.at(-1) ?? 0);
  }
  if (!hasWeights(node)) return 0;
  const weights = shapes.get(node.inputs[1] ?? "") ?? [];
  // Each pixel of a transposed convolution's input meets every element of the kernel.
  const swept = node.op === "deconvolution" ? node.inputs[0] : node.outputs[0];
  const [, , ...pixels] = shapes.get(swept ?? "") ?? [];
  return elementCount(weights) * elementCount(pixels);
}

/** The MACs of one image and the parameters of `graph`. */
export function cost(graph: Graph): Cost {
  requireArguments("cost", { graph: [graph, "graph"] });
  const shapes = inferShapes(graph, 1);
  return {
    macs: graph.nodes.reduce((sum, node) => sum + nodeMacs(node, shapes), 0),
    parameters: graph.parameters
      .filter(({ kind }) => kind === "weights" || kind === "bias" || kind === "scale" || kind === "shift")
      .reduce((sum, { shape }) => sum + elementCount(shape), 0),
  };
}
