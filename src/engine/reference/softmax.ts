/** Softmax over one axis, or its logarithm, and their gradients. */
import { elementCount, type Shape } from "../../core/tensor.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/** Visits the elements of each vector along `axis`. */
function forEachVector(shape: Shape, axis: number, visit: (elements: readonly number[]) => void): void {
  const length = extent(shape, axis);
  const step = elementCount(shape.slice(axis + 1));
  const blocks = elementCount(shape.slice(0, axis));
  for (let block = 0; block < blocks; block++) {
    for (let place = 0; place < step; place++) {
      visit(Array.from({ length }, (_, index) => (block * length + index) * step + place));
    }
  }
}

/** The largest is taken off first, so that nothing overflows. */
export function softmax(context: KernelContext<"softmax">): void {
  const src = input(context, 0);
  const dst = output(context, 0).data;
  forEachVector(src.shape, context.attributes.axis ?? 1, (elements) => {
    const largest = elements.reduce((most, element) => Math.max(most, at(src.data, element)), Number.NEGATIVE_INFINITY);
    const powers = elements.map((element) => Math.exp(at(src.data, element) - largest));
    const sum = powers.reduce((partial, power) => partial + power, 0);
    elements.forEach((element, channel) => {
      dst[element] =
        context.attributes.isLogarithm === true
          ? at(src.data, element) - largest - Math.log(sum)
          : (powers[channel] ?? Number.NaN) / sum;
    });
  });
}

export function softmaxBackward(context: KernelContext<"softmax_backward">): void {
  const dst = input(context, 0);
  const diffDst = input(context, 1).data;
  const diffSrc = output(context, 0).data;
  forEachVector(dst.shape, context.attributes.axis ?? 1, (elements) => {
    if (context.attributes.isLogarithm === true) {
      const sum = elements.reduce((partial, element) => partial + at(diffDst, element), 0);
      for (const element of elements) diffSrc[element] = at(diffDst, element) - Math.exp(at(dst.data, element)) * sum;
      return;
    }
    const sum = elements.reduce((partial, element) => partial + at(dst.data, element) * at(diffDst, element), 0);
    for (const element of elements) diffSrc[element] = at(dst.data, element) * (at(diffDst, element) - sum);
  });
}
