/** How much arithmetic a node does, so that `explain` can tell a step's speed and not only its time. */
import { elementCount, type Shape } from "../core/tensor.ts";
import type { Node } from "../graph/graph.ts";

/**
 * Floating-point operations (multiply-accumulates times two) of `node` on a whole batch, for convolutions, linear
 * layers, products of values and their gradients; 0 for other ops. Each gradient of a product costs what the product
 * costs.
 */
export function floatingPointOperations(node: Node, shapes: ReadonlyMap<string, Shape>): number {
  const sizeOf = (name: string | undefined): Shape => shapes.get(name ?? "") ?? [];
  const [first, second] = node.inputs;
  const [dst] = node.outputs;
  switch (node.op) {
    case "convolution":
    case "linear":
      return product(sizeOf(second), sizeOf(dst));
    case "convolution_backward_data":
    case "linear_backward_data":
      return product(sizeOf(second), sizeOf(first));
    case "deconvolution":
      return product(sizeOf(second), sizeOf(first));
    case "deconvolution_backward_data":
      return product(sizeOf(second), sizeOf(dst));
    case "convolution_backward_weights":
    case "linear_backward_weights":
      return product(sizeOf(dst), sizeOf(second));
    case "deconvolution_backward_weights":
      return product(sizeOf(dst), sizeOf(first));
    case "matmul":
      return 2 * elementCount(sizeOf(first)) * (sizeOf(second).at(-1) ?? 0);
    case "matmul_backward":
      return 2 * elementCount(sizeOf(first)) * (sizeOf(second).at(node.attributes.operand === 0 ? -2 : -1) ?? 0);
    default:
      return 0;
  }
}

/** Every weights element meets each sample and pixel of dst once. */
function product(weights: Shape, [batch = 0, , ...pixels]: Shape): number {
  return 2 * elementCount(weights) * batch * elementCount(pixels);
}
