/** The product of two values, one of them repeated along the axes where it has extent 1, and its gradient. */
import { rowMajorStrides, type Shape } from "../../core/tensor.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/** From an element's index in an array of shape `whole`, that of the element of `part` that is repeated there. */
function placesIn(part: Shape, whole: Shape): Int32Array {
  const wholeStrides = rowMajorStrides(whole);
  const strides = rowMajorStrides(part).map((stride, axis) => (extent(part, axis) === 1 ? 0 : stride));
  return Int32Array.from({ length: extent(whole, 0) * extent(wholeStrides, 0) }, (_, index) =>
    whole.reduce(
      (place, size, axis) => place + (Math.floor(index / extent(wholeStrides, axis)) % size) * extent(strides, axis),
      0,
    ),
  );
}

export function multiply(context: KernelContext<"multiply">): void {
  const [a, b] = [input(context, 0), input(context, 1)];
  const dst = output(context, 0);
  const [inA, inB] = [placesIn(a.shape, dst.shape), placesIn(b.shape, dst.shape)];
  inA.forEach((place, index) => {
    dst.data[index] = at(a.data, place) * at(b.data, at(inB, index));
  });
}

export function multiplyBackward(context: KernelContext<"multiply_backward">): void {
  const [other, diffDst] = [input(context, 0), input(context, 1)];
  const diffSrc = output(context, 0);
  const [inOther, inSrc] = [placesIn(other.shape, diffDst.shape), placesIn(diffSrc.shape, diffDst.shape)];
  const sums = new Float64Array(diffSrc.data.length);
  diffDst.data.forEach((value, index) => {
    const place = at(inSrc, index);
    sums[place] = at(sums, place) + value * at(other.data, at(inOther, index));
  });
  diffSrc.data.set(sums);
}
