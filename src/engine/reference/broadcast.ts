/** Where the elements of a broadcast array lie. */
import { elementCount, rowMajorStrides, type Shape } from "../../core/tensor.ts";

/**
 * From an element's index in an array of shape `whole`, that of the element of `part` that is repeated there. `part`
 * has extent 1 along the axes where it is repeated, and may lack the first axes.
 */
export function placesIn(part: Shape, whole: Shape): Int32Array {
  const aligned = [...whole.slice(part.length).map(() => 1), ...part];
  const strides = rowMajorStrides(aligned).map((stride, axis) => (aligned[axis] === 1 ? 0 : stride));
  // Axis by axis from the last: the places of each block are those of the first, shifted by a multiple of the stride.
  const places = new Int32Array(elementCount(whole));
  let size = 1;
  for (let axis = whole.length - 1; axis >= 0; axis--) {
    const extent = whole[axis] ?? 1;
    const stride = strides[axis] ?? 0;
    for (let index = 1; index < extent; index++) {
      const start = index * size;
      const shift = index * stride;
      for (let at = 0; at < size; at++) places[start + at] = (places[at] ?? 0) + shift;
    }
    size *= extent;
  }
  return places;
}
