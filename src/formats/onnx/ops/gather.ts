/**
 * ONNX `Gather` of channels ↔ gather. Along other axes, it takes one index or indices at equal distances and becomes a
 * slice. A single index without an axis of its own takes the axis away.
 */
import { frontAxis } from "../folding/movement.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";

export const writeGather: WriteRule<"gather"> = (node, context) => {
  const { order } = node.attributes;
  context.write("Gather", node, [...node.inputs, context.integers(`${node.name}/order`, order)], { axis: 1 });
};

export const readGather: ReadRule = (node, context) => {
  const src = node.input(0);
  const shape = context.shape(src);
  const axis = frontAxis(node, node.int("axis", 0), shape.length);
  node.check(axis > 0, "takes single images of the batch");
  const extent = shape[axis] ?? 1;
  const indices = context.integers(node, node.input(1)).map((index) => (index < 0 ? index + extent : index));
  const isInside = indices.length > 0 && indices.every((index) => index >= 0 && index < extent);
  node.check(isInside, "takes indices beyond the axis", `0 … ${extent - 1}`, `[${indices}]`);
  const { dims = [] } = context.constant(node.input(1)) ?? {};
  node.check(dims.length <= 1, "its indices have several axes", "1 axis", `${dims.length}`);
  if (dims.length === 0) {
    const [index = 0] = indices;
    const taken = context.add(node, "slice", [src], sliceAlong(shape, axis, index, 1, 1), { part: "taken" });
    const rest = shape.slice(1).toSpliced(axis - 1, 1);
    if (rest.length === 1) context.add(node, "flatten", [taken], {});
    else {
      node.check(rest.length > 0, "leaves an image one number without an axis", "an axis behind the batch", "none");
      context.add(node, "reshape", [taken], { shape: rest });
    }
    return;
  }
  if (axis === 1) {
    context.add(node, "gather", [src], { order: indices });
    return;
  }
  takeAlong(node, context, src, axis, indices);
};

/** Takes `indices` along an axis of pixels. */
function takeAlong(
  node: NodeReader,
  context: ReadContext,
  src: string,
  axis: number,
  indices: readonly number[],
): void {
  const [first = 0, second = first + 1] = indices;
  const step = second - first;
  const isEven = step >= 1 && indices.every((index, place) => index === first + place * step);
  node.check(isEven, "takes pixels in an order that is not supported", "indices at equal distances", `[${indices}]`);
  const shape = context.shape(src);
  context.add(node, "slice", [src], sliceAlong(shape, axis, first, indices.length, step));
}

/** The slice with `count` indices of `axis`, from `first` on, and all of the other axes. */
function sliceAlong(
  shape: readonly number[],
  axis: number,
  first: number,
  count: number,
  step: number,
): { starts: readonly number[]; ends: readonly (number | "N")[]; steps: readonly number[] } {
  const zeros = shape.map(() => 0);
  const ends = shape.map((extent, each) => (each === 0 ? ("N" as const) : extent));
  const end = Math.min(first + (count - 1) * step + 1, shape[axis] ?? 1);
  return { starts: zeros.with(axis, first), ends: ends.with(axis, end), steps: shape.map(() => 1).with(axis, step) };
}
