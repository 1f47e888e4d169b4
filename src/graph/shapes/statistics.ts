/** The shapes of ops that broadcast two operands, or compute something over some of the axes. */
import { formatShape, type Shape } from "../../core/tensor.ts";
import type { ShapeContext } from "./rule.ts";

/** Of a and b, or of a and a parameter b, which has no batch axis. */
export function broadcast({ input, check }: ShapeContext<"binary">): readonly Shape[] {
  const a = input(0);
  const given = input(1);
  const b = given.length === a.length - 1 ? [1, ...given] : given;
  const isParameter = given.length < a.length;
  const fits = a.every((extent, axis) => {
    const other = b[axis];
    if (axis === 0) return isParameter || extent === other;
    return extent === other || extent === 1 || other === 1;
  });
  check(a.length === b.length && fits, `a shape that can be broadcast with ${formatShape(a)}`, formatShape(given));
  return [a.map((extent, axis) => Math.max(extent, b[axis] ?? extent))];
}

function checkAxes(
  shape: Shape,
  axes: readonly number[],
  check: ShapeContext<"reduction" | "normalization">["check"],
): void {
  const areAscending = axes.every((axis, index) => axis > (axes[index - 1] ?? 0) && axis < shape.length);
  check(axes.length > 0 && areAscending, `ascending axes of 1 … ${shape.length - 1}`, formatShape(axes));
}

export function reducedShape({ input, attributes, check }: ShapeContext<"reduction">): readonly Shape[] {
  const shape = input(0);
  const { axes, keepsAxes, zeros = 0 } = attributes;
  checkAxes(shape, axes, check);
  check(zeros === 0 || axes.includes(1), "zeros only in a reduction over the channels", `${zeros} zeros`);
  if (keepsAxes) return [shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent))];
  return [shape.filter((_, axis) => !axes.includes(axis))];
}

export function normalizedShape({ input, attributes, check }: ShapeContext<"normalization">): readonly Shape[] {
  const shape = input(0);
  const { axes, groups = 1 } = attributes;
  checkAxes(shape, axes, check);
  const channels = shape[1] ?? 0;
  check(groups === 1 || axes.includes(1), "groups only in a normalization over the channels", `${groups} groups`);
  check(groups >= 1 && channels % groups === 0, `a number of groups that divides ${channels}`, `${groups}`);
  return [shape];
}
