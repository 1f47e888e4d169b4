/**
 * Reads ONNX `Reshape`, `Transpose` and `Expand` of constants as this package writes them: views that show a
 * parameter, mostly scaling factors, with other dims.
 */
import { required } from "../../../core/errors.ts";
import { elementCount, filled, rowMajorStrides, type Shape, sameShape } from "../../../core/tensor.ts";
import { aligned, broadcastIndex } from "../folding/broadcast.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule } from "../rules.ts";
import { isBatch } from "./batch.ts";
import { LARGEST } from "./binary.ts";

const largestView = 2 ** 24;

/**
 * Expands a value: its maximum with the lowest number there is, broadcast to the dims. Mostly that is read by a product
 * or the like, which broadcasts as well and reads the value itself (`unexpanded`).
 */
function expandValue(node: NodeReader, context: ReadContext): void {
  const src = node.input(0);
  const shape = context.shape(src);
  const [first, ...asked] = context.scalars(node, node.input(1));
  node.check(asked.length === shape.length - 1 && (first === 1 || isBatch(first, context)), "expands a value by axes");
  const features = asked.map((size, axis) => {
    const own = shape[axis + 1] ?? 1;
    const fits = typeof size === "number" && (size === 1 || own === 1 || size === own);
    node.check(fits, "cannot be broadcast", `dims that fit [N,${shape.slice(1)}]`, `[N,${asked}]`);
    return Math.max(own, Number(size));
  });
  broadcastTo(node, context, { src, features, constant: node.input(1) });
}

interface Broadcast {
  readonly src: string;
  /** The dims behind the batch. */
  readonly features: Shape;
  /** The input of the node that says so. */
  readonly constant: string;
}

/** Reads the node as `src`, broadcast to `features`. */
export function broadcastTo(node: NodeReader, context: ReadContext, { src, features, constant }: Broadcast): void {
  if (sameShape(context.shape(src).slice(1), features)) {
    context.alias(node, src);
    return;
  }
  node.check(elementCount(features) <= largestView, "expands a value to too many numbers");
  const lowest = context.derived(node, constant, "lowest", filled(features, -LARGEST));
  context.add(node, "binary", [src, lowest], { function: "maximum" });
}

export const readReshapedConstant: ReadRule = (node, context) => {
  const view = required(context.view(node.input(0)), "the view of a constant");
  const dims = context.integers(node, node.input(1));
  node.check(node.int("allowzero", 0) === 0, "allowzero is not supported");
  node.check(
    dims.every((size) => size > 0) && elementCount(dims) === elementCount(view.dims),
    "does not keep the number of values",
    `${elementCount(view.dims)}`,
    `[${dims.join()}]`,
  );
  context.declareView(node.outputs[0] ?? "", { ...view, dims });
};

export const readTransposedConstant: ReadRule = (node, context) => {
  const view = required(context.view(node.input(0)), "the view of a constant");
  const permutation = node.ints("perm");
  const isPermutation =
    permutation.length === view.dims.length && view.dims.every((_, axis) => permutation.includes(axis));
  node.check(isPermutation, "perm does not name every axis exactly once");
  const dims = permutation.map((axis) => view.dims[axis] ?? 1);
  const strides = rowMajorStrides(view.dims);
  const own = rowMajorStrides(dims);
  const indices = Int32Array.from({ length: elementCount(dims) }, (_, index) => {
    const position = permutation.reduce((sum, axis, at) => {
      const along = Math.floor(index / (own[at] ?? 1)) % (dims[at] ?? 1);
      return sum + along * (strides[axis] ?? 1);
    }, 0);
    return view.indices?.[position] ?? position;
  });
  context.declareView(node.outputs[0] ?? "", { source: view.source, dims, indices });
};

export const readExpand: ReadRule = (node, context) => {
  const view = context.view(node.input(0));
  if (view === undefined) {
    expandValue(node, context);
    return;
  }
  const asked = context.integers(node, node.input(1));
  const rank = Math.max(asked.length, view.dims.length);
  const from = aligned(view.dims, rank);
  const to = aligned(asked, rank);
  const dims = from.map((size, axis) => (size === 1 ? (to[axis] ?? 1) : size));
  const fits = from.every((size, axis) => size === 1 || to[axis] === 1 || to[axis] === size);
  node.check(
    fits && dims.every((size) => size > 0) && elementCount(dims) <= largestView,
    "cannot be broadcast",
    `dims that fit [${view.dims.join()}]`,
    `[${asked.join()}]`,
  );
  const offset = broadcastIndex(from, dims);
  const indices = Int32Array.from({ length: elementCount(dims) }, (_, index) => {
    const position = offset(index);
    return view.indices?.[position] ?? position;
  });
  context.declareView(node.outputs[0] ?? "", { source: view.source, dims, indices });
};
