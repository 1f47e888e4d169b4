/** ONNX's broadcasting, after NumPy: dims are aligned at the end, and a size of 1 is repeated. */
import { rowMajorStrides, type Shape } from "../../../core/tensor.ts";
import type { NodeReader } from "../node-reader.ts";

/** `dims`, extended to `rank` axes by leading ones. */
export function aligned(dims: Shape, rank: number): Shape {
  return [...new Array<number>(Math.max(rank - dims.length, 0)).fill(1), ...dims];
}

/** The dims that all of `shapes` broadcast to. Throws about `node` if the shapes do not fit. */
export function broadcastDims(node: NodeReader, shapes: readonly Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map(({ length }) => length));
  const lined = shapes.map((dims) => aligned(dims, rank));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = new Set(lined.map((dims) => dims[axis] ?? 1).filter((size) => size !== 1));
    node.check(
      sizes.size <= 1,
      `its inputs cannot be broadcast: [${shapes.map((dims) => dims.join()).join("] and [")}]`,
    );
    return [...sizes][0] ?? 1;
  });
}

/**
 * A map from element `index` of a tensor of dims `to` to the element of a tensor of dims `from` that broadcasts to it.
 */
export function broadcastIndex(from: Shape, to: Shape): (index: number) => number {
  const lined = aligned(from, to.length);
  const fromStrides = rowMajorStrides(lined).map((stride, axis) => (lined[axis] === 1 ? 0 : stride));
  const toStrides = rowMajorStrides(to);
  return (index) => {
    let offset = 0;
    let rest = index;
    for (let axis = 0; axis < to.length; axis++) {
      const stride = toStrides[axis] ?? 1;
      const position = Math.floor(rest / stride);
      rest -= position * stride;
      offset += position * (fromStrides[axis] ?? 0);
    }
    return offset;
  };
}
