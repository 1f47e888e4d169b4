/** Folds `ScatterND`, with which exporters fill parts of a constant, such as the regions of shifted windows. */
import { elementCount, rowMajorStrides } from "../../../core/tensor.ts";
import { at, constant, scalarsOf } from "./constant.ts";
import type { FoldRule } from "./rule.ts";
import { plain, type Scalar } from "./scalar.ts";

/** (data, indices [‥,K], updates [‥, the last axes of data]): the part of data at each index is replaced. */
export const scatterNd: FoldRule = ({ node, input, claim }) => {
  const [data, indices, updates] = [input(0), input(1), input(2)];
  node.check(node.string("reduction", "none") === "none", "combines its updates with the data");
  const depth = indices.dims.at(-1) ?? 0;
  const places = elementCount(indices.dims.slice(0, -1));
  const rank = data.dims.length;
  const size = elementCount(data.dims.slice(depth));
  const fits = depth >= 1 && depth <= rank && elementCount(updates.dims) === places * size;
  node.check(fits, "its updates do not fit its indices", `${places * size} values`, `${elementCount(updates.dims)}`);
  const strides = rowMajorStrides(data.dims);
  const values: Scalar[] = [...scalarsOf({ ...data, dims: claim(data.dims) })];
  for (let place = 0; place < places; place++) {
    let start = 0;
    for (let axis = 0; axis < depth; axis++) {
      const extent = data.dims[axis] ?? 0;
      const asked = plain(at(indices, place * depth + axis), "indexes by");
      const index = asked < 0 ? asked + extent : asked;
      node.check(index >= 0 && index < extent, `index ${asked} is out of range for size ${extent}`);
      start += index * (strides[axis] ?? 1);
    }
    for (let offset = 0; offset < size; offset++) values[start + offset] = at(updates, place * size + offset);
  }
  return [constant(data.type, data.dims, values)];
};
