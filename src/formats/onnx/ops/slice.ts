/**
 * ONNX `Slice` ↔ slice, or a part of a constant (see `mul.ts`). A slice always takes the whole batch, so the end of the
 * batch axis is written as the largest integer. Bounds are inputs; before opset 10 they are attributes.
 */
import { required, UserError } from "../../../core/errors.ts";
import { elementCount } from "../../../core/tensor.ts";
import { isBatchSize } from "../folding/scalar.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteRule } from "../rules.ts";
import { takeAlong } from "./gather.ts";

const toTheEnd = 2n ** 63n - 1n;

export const writeSlice: WriteRule<"slice"> = (node, context) => {
  const { starts, ends, steps } = node.attributes;
  if (starts[0] !== 0 || ends[0] !== "N" || steps[0] !== 1) {
    throw new UserError("unsupported", "a slice must take the whole batch", {
      about: `slice "${node.name}"`,
      hint: "Slice only channels, rows or columns",
    });
  }
  context.write("Slice", node, [
    ...node.inputs,
    context.integers(`${node.name}/starts`, starts),
    context.integers(
      `${node.name}/ends`,
      ends.map((end) => (end === "N" ? toTheEnd : end)),
    ),
    context.integers(
      `${node.name}/axes`,
      starts.map((_, axis) => axis),
    ),
    context.integers(`${node.name}/steps`, steps),
  ]);
};

export const readSlice: ReadRule = (node, context) => {
  if (context.isConstant(node.input(0))) {
    readConstantSlice(node, context);
    return;
  }
  const shape = context.shape(node.input(0));
  const isOld = node.has("starts");
  const starts = isOld ? node.ints("starts") : context.integers(node, node.input(1));
  // An end that equals the batch size takes the whole batch.
  const ends = (isOld ? node.ints("ends") : context.scalars(node, node.input(2))).map((end) =>
    typeof end === "number" ? end : isBatchSize(end) ? Number.MAX_SAFE_INTEGER : Number.NaN,
  );
  const axes = slicedAxes(node, context) ?? starts.map((_, axis) => axis);
  const steps = node.inputs.length > 4 ? context.integers(node, node.input(4)) : starts.map(() => 1);
  node.check(
    [ends, axes, steps].every(({ length }) => length === starts.length),
    "starts, ends, axes and steps differ in length",
  );
  node.check(new Set(axes).size === axes.length, "names an axis twice");
  node.check(!steps.includes(0), "its step is 0", "a step that is not 0", "0");
  const backwards: Backwards[] = [];
  const bounds = shape.map((size, axis) => {
    const index = axes.findIndex((named) => named === axis || named + shape.length === axis);
    const [start = 0, end = size, step = 1] = index < 0 ? [] : [starts[index], ends[index], steps[index]];
    if (step < 0) {
      node.check(axis > 0, "must take the whole batch");
      backwards.push({ axis, indices: downwards(node, { start, end, step }, size) });
      return { start: 0, end: size, step: 1 };
    }
    const bound = { start: withinBounds(start, size), end: withinBounds(end, size), step };
    node.check(
      axis === 0 || bound.start < bound.end,
      "its result is empty",
      "a start before the end",
      `${start}, ${end}`,
    );
    return bound;
  });
  const batch = axes.findIndex((axis) => axis === 0 || axis + shape.length === 0);
  node.check(
    batch < 0 || (starts[batch] === 0 && (ends[batch] ?? 0) >= 2 ** 31 - 1 && steps[batch] === 1),
    "must take the whole batch",
  );
  const attributes = {
    starts: bounds.map(({ start }) => start),
    ends: bounds.map(({ end }, axis) => (axis === 0 ? ("N" as const) : end)),
    steps: bounds.map(({ step }) => step),
  };
  const isForwards = backwards.length < axes.length;
  const forwards = backwards.length === 0 ? undefined : { part: "forwards" };
  let value = isForwards ? context.add(node, "slice", [node.input(0)], attributes, forwards) : node.input(0);
  for (const [place, { axis, indices }] of backwards.entries()) {
    const step = place === backwards.length - 1 ? undefined : { part: `axis_${axis}` };
    value = takeAlong(node, context, { src: value, axis, indices }, step);
  }
};

/** An axis that is taken backwards, as in a mirrored image. */
interface Backwards {
  readonly axis: number;
  readonly indices: readonly number[];
}

/** The indices from `start` down to before `end`, along an axis of `size`. */
function downwards(
  node: NodeReader,
  { start, end, step }: { readonly start: number; readonly end: number; readonly step: number },
  size: number,
): readonly number[] {
  const first = Math.min(start < 0 ? start + size : start, size - 1);
  // Negative ends count from the back. One that is before the first element takes this element too.
  const last = Math.max(end < 0 ? end + size : end, -1);
  const indices: number[] = [];
  for (let index = first; index > last; index += step) indices.push(index);
  node.check(indices.length > 0, "its result is empty", "a start behind the end", `${start}, ${end}`);
  return indices;
}

function slicedAxes(node: NodeReader, context: ReadContext): readonly number[] | undefined {
  if (node.has("axes")) return node.ints("axes");
  return (node.inputs[3] ?? "") === "" ? undefined : context.integers(node, node.input(3));
}

/** Reads consecutive elements of a constant along its first axis: a part of the factors of a residual stream. */
function readConstantSlice(node: NodeReader, context: ReadContext): void {
  const view = required(context.view(node.input(0)), "the view of a constant");
  const one = (index: number, absent: number): number => {
    const values = node.inputs.length > index ? context.integers(node, node.input(index)) : [absent];
    node.check(values.length === 1, "only a constant's first axis can be sliced", "one number", `${values.length}`);
    return values[0] ?? absent;
  };
  const [size = 1, ...rest] = view.dims;
  const [start, end] = [withinBounds(one(1, 0), size), withinBounds(one(2, size), size)];
  node.check(
    one(3, 0) === 0 && one(4, 1) === 1 && start < end,
    "only consecutive elements of a constant's first axis can be sliced",
  );
  const inner = elementCount(rest);
  const indices = Int32Array.from({ length: (end - start) * inner }, (_, position) => {
    const offset = start * inner + position;
    return view.indices?.[offset] ?? offset;
  });
  context.declareView(node.outputs[0] ?? "", { source: view.source, dims: [end - start, ...rest], indices });
}

/** A bound within 0 … size: ONNX counts negative bounds from the end and clamps bounds that lie outside. */
function withinBounds(bound: number, size: number): number {
  return Math.min(Math.max(bound < 0 ? bound + size : bound, 0), size);
}
