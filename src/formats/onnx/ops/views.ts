/**
 * Reads ONNX `Reshape`, `Transpose` and `Expand` of constants as this package writes them: views that show a
 * parameter, mostly scaling factors, with other dims.
 */
import { required } from "../../../core/errors.ts";
import { elementCount, rowMajorStrides } from "../../../core/tensor.ts";
import { aligned, broadcastIndex } from "../folding/broadcast.ts";
import type { ReadRule } from "../rules.ts";

const largestView = 2 ** 24;

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
  if (view === undefined) throw node.unsupported("expands an activation; only constants can be expanded");
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
