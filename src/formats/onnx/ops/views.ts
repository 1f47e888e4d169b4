/** ONNX `Reshape` and `Expand` of constants: they compute no activation, only show a parameter with other dims. */
import { elementCount, rowMajorStrides, type Shape } from "../../../core/tensor.ts";
import type { ReadRule } from "../rules.ts";

const largestView = 2 ** 24;

export const readReshape: ReadRule = (node, context) => {
  const view = context.view(node.input(0));
  if (view === undefined) throw node.unsupported("reshapes an activation; only constants are reshaped here");
  const dims = context.integers(node, node.input(1));
  node.check(node.int("allowzero", 0) === 0, "allowzero is not read");
  node.check(
    dims.every((size) => size > 0) && elementCount(dims) === elementCount(view.dims),
    "does not keep the number of values",
    `${elementCount(view.dims)}`,
    `[${dims.join()}]`,
  );
  context.declareView(node.outputs[0] ?? "", { ...view, dims });
};

export const readExpand: ReadRule = (node, context) => {
  const view = context.view(node.input(0));
  if (view === undefined) throw node.unsupported("expands an activation; only constants are expanded here");
  const asked = context.integers(node, node.input(1));
  const rank = Math.max(asked.length, view.dims.length);
  const from = align(view.dims, rank);
  const to = align(asked, rank);
  const dims = from.map((size, axis) => (size === 1 ? (to[axis] ?? 1) : size));
  const fits = from.every((size, axis) => size === 1 || to[axis] === 1 || to[axis] === size);
  node.check(
    fits && dims.every((size) => size > 0) && elementCount(dims) <= largestView,
    "cannot be broadcast",
    `dims that fit [${view.dims.join()}]`,
    `[${asked.join()}]`,
  );
  context.declareView(node.outputs[0] ?? "", {
    source: view.source,
    dims,
    indices: broadcast(view.indices, from, dims),
  });
};

/** `dims` with ones in front, up to `rank` axes. */
function align(dims: Shape, rank: number): Shape {
  return [...new Array<number>(rank - dims.length).fill(1), ...dims];
}

function broadcast(indices: Int32Array | undefined, from: Shape, to: Shape): Int32Array {
  const fromStrides = rowMajorStrides(from).map((stride, axis) => (from[axis] === 1 ? 0 : stride));
  const toStrides = rowMajorStrides(to);
  return Int32Array.from({ length: elementCount(to) }, (_, position) => {
    const offset = toStrides.reduce(
      (sum, stride, axis) => sum + (Math.floor(position / stride) % (to[axis] ?? 1)) * (fromStrides[axis] ?? 0),
      0,
    );
    return indices?.[offset] ?? offset;
  });
}
