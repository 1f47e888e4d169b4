/** Lowers products of matrices, and their gradients, to oneDNN's matrix product over all axes in front of them. */
import { elementCount, rowMajorStrides, type Shape } from "../../../core/tensor.ts";
import type { Node } from "../../../graph/graph.ts";
import { argument } from "../ffi/constants.ts";
import { describeMemory, describeStrided } from "../ffi/memory.ts";
import { matrixProduct } from "../ffi/operations.ts";
import { firstImplementation } from "../ffi/primitive.ts";
import type { Program } from "../planner/program.ts";
import type { View } from "../planner/steps.ts";

/** The axes in front of the matrices as one. */
function joined(shape: Shape): Shape {
  return [elementCount(shape.slice(0, -2)), ...shape.slice(-2)];
}

/** The matrices of `value`, row by row. */
function matrices(program: Program, value: string): View {
  const { slot } = program.use(value, program.plain(value));
  return { slot, descriptor: describeMemory(program.library, joined(program.shape(value)), "plain") };
}

/** The same memory with rows and columns exchanged: the last two axes. */
export function transposed({ library }: Program, { slot, descriptor }: View): View {
  const strides = rowMajorStrides(descriptor.shape);
  const exchanged = <T>(axes: readonly T[]): T[] => [...axes.slice(0, -2), ...axes.slice(-2).toReversed()];
  return { slot, descriptor: describeStrided(library, descriptor, exchanged(descriptor.shape), exchanged(strides)) };
}

/** Writes the product of the matrices `left` and `right` to `dst`. */
export function emitMatrixProduct(node: Node, program: Program, left: View, right: View, dst: View): void {
  const operation = matrixProduct(left.descriptor, right.descriptor, dst.descriptor);
  program.emitPrimitive(
    node,
    firstImplementation(program.library, operation),
    [
      [argument.src, left],
      [argument.weights, right],
      [argument.dst, dst],
    ],
    { macs: elementCount(dst.descriptor.shape) * (left.descriptor.shape.at(-1) ?? 1) },
  );
}

function emitProduct(node: Node<"matmul" | "matmul_backward">, program: Program, left: View, right: View): void {
  const [dst = ""] = node.outputs;
  const { slot } = program.define(dst, program.plain(dst));
  const result = { slot, descriptor: describeMemory(program.library, joined(program.shape(dst)), "plain") };
  emitMatrixProduct(node, program, left, right, result);
}

export function lowerMatmul(node: Node<"matmul">, program: Program): void {
  const [a = "", b = ""] = node.inputs;
  emitProduct(node, program, matrices(program, a), matrices(program, b));
}

export function lowerMatmulBackward(node: Node<"matmul_backward">, program: Program): void {
  const [other = "", diffDst = ""] = node.inputs;
  const [turned, gradient] = [transposed(program, matrices(program, other)), matrices(program, diffDst)];
  if (node.attributes.operand === 0) emitProduct(node, program, gradient, turned);
  else emitProduct(node, program, turned, gradient);
}
