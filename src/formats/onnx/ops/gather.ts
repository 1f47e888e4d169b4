/**
 * ONNX `Gather` of channels ↔ gather. Along other axes, indices at equal distances become a slice, and others a gather
 * between two transposes. A single index without an axis of its own takes the axis away.
 */
import { frontAxis } from "../folding/movement.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, Step, WriteRule } from "../rules.ts";
import { addTransposed } from "./transpose.ts";

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
  takeAlong(node, context, { src, axis, indices });
};

/** Some of the indices along an axis behind the batch, in any order; an index may be taken several times. */
interface Taken {
  readonly src: string;
  readonly axis: number;
  readonly indices: readonly number[];
}

/** Takes indices along an axis, as the node or as a step of it. Returns the value. */
export function takeAlong(node: NodeReader, context: ReadContext, taken: Taken, step?: Step): string {
  const { src, axis, indices } = taken;
  if (axis === 1) return context.add(node, "gather", [src], { order: indices }, step);
  const [first = 0, second = first + 1] = indices;
  const distance = second - first;
  const shape = context.shape(src);
  if (distance >= 1 && indices.every((index, place) => index === first + place * distance))
    return context.add(node, "slice", [src], sliceAlong(shape, axis, first, indices.length, distance), step);
  const permutation = shape.map((_, each) => (each === 1 ? axis : each === axis ? 1 : each));
  const part = (role: string): string => (step === undefined ? role : `${step.part}.${role}`);
  const turned = addTransposed(node, context, src, permutation, part("turned"));
  const gathered = context.add(node, "gather", [turned], { order: indices }, { part: part("gathered") });
  return context.add(node, "transpose", [gathered], { permutation }, step);
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
