/**
 * The gradient of a product. For a factor that was broadcast over pixels it is a product and a sum over pixels. The sum
 * is an average pooling over the whole image, times the number of pixels.
 */
import { elementCount, sameShape } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import { bindBatch } from "../../../graph/shapes.ts";
import { argument } from "../ffi/constants.ts";
import { binaryOperation } from "../ffi/elementwise-operations.ts";
import { poolingForward } from "../ffi/operations.ts";
import { firstImplementation } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";
import { emitForward } from "./activation.ts";
import { lowerToHost } from "./host.ts";
import { wholeWindow } from "./pooling.ts";

export function lowerMultiplyBackward(node: Node<"multiply_backward">, program: Program): void {
  const [other = "", diffDst = ""] = node.inputs;
  const [diffSrc = ""] = node.outputs;
  const shape = program.shape(diffDst);
  const target = bindBatch(node.attributes.srcShape, shape[0] ?? 0);
  const [batch = 0, channels = 0, ...pixels] = shape;
  const isWhole = sameShape(target, shape);
  const isSumOverPixels =
    program.isImage(shape) &&
    sameShape(target, [batch, channels, ...pixels.map(() => 1)]) &&
    sameShape(program.shape(other), shape);
  if (!isWhole && !isSumOverPixels) {
    lowerToHost(node, program);
    return;
  }
  const gradient = program.use(diffDst, program.preferred(shape));
  const factor = program.use(other, program.preferred(program.shape(other)));
  if (isWhole) {
    emitProduct(node, program, gradient, factor, program.define(diffSrc, gradient.descriptor));
    return;
  }
  const product = program.allocate(gradient.descriptor);
  emitProduct(node, program, gradient, factor, product);
  const sums = program.define(diffSrc, program.preferred(target));
  const window = wholeWindow(pixels);
  const operation = poolingForward("average, padding not counted", product.descriptor, sums.descriptor, window);
  program.emitPrimitive(node, firstImplementation(program.library, operation), [
    [argument.src, product],
    [argument.dst, sums],
  ]);
  const slope = elementCount(pixels);
  emitForward(node, program, { function: "linear", slope, offset: 0 }, sums, sums);
}

function emitProduct(node: Node, program: Program, a: View, b: View, dst: View): void {
  const operation = binaryOperation("multiply", a.descriptor, b.descriptor, dst.descriptor);
  program.emitPrimitive(node, firstImplementation(program.library, operation), [
    [argument.src, a],
    [argument.src1, b],
    [argument.dst, dst],
  ]);
}
