/** Upsampling by repeated pixels, and its gradient. */
import type { Shape } from "../../core/tensor.ts";
import type { UpsamplingAttributes } from "../../graph/attributes.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/** Visits every pixel of the large image of shape `dst`, with the one it repeats. */
function forEachRepeated(
  dst: Shape,
  { factors: [rowFactor, columnFactor] }: UpsamplingAttributes,
  visit: (to: number, from: number) => void,
): void {
  const [planes, rows, columns] = [extent(dst, 0) * extent(dst, 1), extent(dst, 2), extent(dst, 3)];
  for (let to = 0; to < planes * rows * columns; to++) {
    const column = Math.floor((to % columns) / columnFactor);
    const row = Math.floor((Math.floor(to / columns) % rows) / rowFactor);
    const plane = Math.floor(to / (rows * columns));
    visit(to, (plane * (rows / rowFactor) + row) * (columns / columnFactor) + column);
  }
}

export function upsampling(context: KernelContext<"upsampling">): void {
  const src = input(context, 0).data;
  const dst = output(context, 0);
  forEachRepeated(dst.shape, context.attributes, (to, from) => {
    dst.data[to] = at(src, from);
  });
}

export function upsamplingBackward(context: KernelContext<"upsampling_backward">): void {
  const diffDst = input(context, 0);
  const diffSrc = output(context, 0).data;
  const sums = new Float64Array(diffSrc.length);
  forEachRepeated(diffDst.shape, context.attributes, (from, to) => {
    sums[to] = at(sums, to) + at(diffDst.data, from);
  });
  diffSrc.set(sums);
}
