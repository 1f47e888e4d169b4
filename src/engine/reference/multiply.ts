/** The product of two values, one of them repeated along the axes where it has extent 1, and its gradient. */
import { placesIn } from "./broadcast.ts";
import { at, input, type KernelContext, output } from "./kernel.ts";

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
