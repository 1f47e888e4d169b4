/** What a network costs: multiply-accumulates (MACs) of one image, and parameters. */
import { elementCount, type Shape } from "../core/tensor.ts";
import type { Graph, Node } from "./graph.ts";
import { inferShapes } from "./shapes.ts";

export interface Cost {
  /** Multiply-accumulates of convolutions and linear layers for one image: the paper's FLOPs. */
  readonly macs: number;
  /** Trained numbers a network is used with: weights, biases, batch-norm scales and shifts. Not λ, not statistics. */
  readonly parameters: number;
}

/** MACs of one node for one image; other ops are not counted, as in the paper. */
export function nodeMacs(node: Node, shapes: ReadonlyMap<string, Shape>): number {
  if (node.op !== "convolution" && node.op !== "linear") return 0;
  const weights = shapes.get(node.inputs[1] ?? "") ?? [];
  const [, , ...pixels] = shapes.get(node.outputs[0] ?? "") ?? [];
  return elementCount(weights) * elementCount(pixels);
}

export function cost(graph: Graph): Cost {
  const shapes = inferShapes(graph, 1);
  return {
    macs: graph.nodes.reduce((sum, node) => sum + nodeMacs(node, shapes), 0),
    parameters: graph.parameters
      .filter(({ kind }) => kind === "weights" || kind === "bias" || kind === "scale" || kind === "shift")
      .reduce((sum, { shape }) => sum + elementCount(shape), 0),
  };
}
