/** The shapes of products of matrices, which are the last two axes of values. */
import { formatShape, type Shape, sameShape } from "../../core/tensor.ts";
import type { ShapeContext } from "./rule.ts";

/** The axes in front of the matrices. */
function outer(shape: Shape): Shape {
  return shape.slice(0, -2);
}

export function multiplied({ input, check }: ShapeContext<"matmul">): readonly Shape[] {
  const [a, b] = [input(0), input(1)];
  check(a.length > 2, "matrices behind the batch", formatShape(a));
  const [inner = 0, columns = 0] = b.slice(-2);
  check(
    a.length === b.length && sameShape(outer(a), outer(b)) && a.at(-1) === inner,
    `a shape that fits ${formatShape(a)}`,
    formatShape(b),
  );
  return [a.with(-1, columns)];
}

export function multipliedBack({
  input,
  attributes: { operand },
  check,
}: ShapeContext<"matmul_backward">): readonly Shape[] {
  const [other, diffDst] = [input(0), input(1)];
  const [rows = 0, columns = 0] = other.slice(-2);
  const isRight = diffDst.at(operand === 0 ? -1 : -2) === (operand === 0 ? columns : rows);
  check(
    isRight && sameShape(outer(other), outer(diffDst)),
    `a gradient that fits ${formatShape(other)}`,
    formatShape(diffDst),
  );
  return [operand === 0 ? diffDst.with(-1, rows) : diffDst.with(-2, columns)];
}
