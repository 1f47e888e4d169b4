/**
 * Lowers upsampling by repeating pixels. It equals the gradient of an average pooling without overlap, times the size
 * of a window. The gradient of upsampling equals the pooling itself, times that size.
 */
import type { Node } from "../../../graph/graph.ts";
import { argument } from "../ffi/constants.ts";
import { type PoolingWindow, poolingBackward, poolingForward } from "../ffi/operations.ts";
import { firstImplementation } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";
import { emitForward } from "./activation.ts";

type Upsampling = Node<"upsampling"> | Node<"upsampling_backward">;

/** The large image, the small image, and the pooling between them. */
function operandsOf(node: Upsampling, program: Program): { src: View; dst: View; window: PoolingWindow; size: number } {
  const [src = ""] = node.inputs;
  const [dst = ""] = node.outputs;
  const { factors } = node.attributes;
  return {
    src: program.use(src, program.preferred(program.shape(src))),
    dst: program.define(dst, program.preferred(program.shape(dst))),
    window: { kernel: factors, strides: factors, padding: { top: 0, left: 0, bottom: 0, right: 0 } },
    size: factors[0] * factors[1],
  };
}

const kind = "average, padding not counted";

export function lowerUpsampling(node: Node<"upsampling">, program: Program): void {
  const { library } = program;
  const { src, dst, window, size } = operandsOf(node, program);
  const hint = firstImplementation(library, poolingForward(kind, dst.descriptor, src.descriptor, window));
  program.own(hint);
  const operation = poolingBackward(kind, dst.descriptor, src.descriptor, window);
  program.emitPrimitive(node, firstImplementation(library, operation, hint), [
    [argument.diffDst, src],
    [argument.diffSrc, dst],
  ]);
  emitForward(node, program, { function: "linear", slope: size, offset: 0 }, dst, dst);
}

export function lowerUpsamplingBackward(node: Node<"upsampling_backward">, program: Program): void {
  const { library } = program;
  const { src, dst, window, size } = operandsOf(node, program);
  const operation = poolingForward(kind, src.descriptor, dst.descriptor, window);
  program.emitPrimitive(node, firstImplementation(library, operation), [
    [argument.src, src],
    [argument.dst, dst],
  ]);
  emitForward(node, program, { function: "linear", slope: size, offset: 0 }, dst, dst);
}
