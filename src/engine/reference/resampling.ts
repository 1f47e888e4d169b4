/** Images of another size, and the gradient. Both walk over the same shares of pixels. */
import type { Shape } from "../../core/tensor.ts";
import type { ResamplingAttributes } from "../../graph/attributes.ts";
import { tapsOf } from "../../graph/resampling.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/** Visits each pixel of `dst`, with each pixel of `src` that it has a share of. */
function forEachShare(
  src: Shape,
  dst: Shape,
  attributes: ResamplingAttributes,
  visit: (to: number, from: number, share: number) => void,
): void {
  const [height, width] = [extent(src, 2), extent(src, 3)];
  const [rows, columns] = [tapsOf(attributes, 0, height), tapsOf(attributes, 1, width)];
  const planes = extent(dst, 0) * extent(dst, 1);
  let to = 0;
  for (let plane = 0; plane < planes; plane++) {
    for (const inRows of rows) {
      for (const inColumns of columns) {
        for (const [row, vertical] of inRows) {
          const start = (plane * height + row) * width;
          for (const [column, horizontal] of inColumns) visit(to, start + column, vertical * horizontal);
        }
        to++;
      }
    }
  }
}

export function resampling(context: KernelContext<"resampling">): void {
  const [src, dst] = [input(context, 0), output(context, 0)];
  const sums = new Float64Array(dst.data.length);
  forEachShare(src.shape, dst.shape, context.attributes, (to, from, share) => {
    sums[to] = at(sums, to) + share * at(src.data, from);
  });
  dst.data.set(sums);
}

export function resamplingBackward(context: KernelContext<"resampling_backward">): void {
  const [diffDst, diffSrc] = [input(context, 0), output(context, 0)];
  const sums = new Float64Array(diffSrc.data.length);
  forEachShare(diffSrc.shape, diffDst.shape, context.attributes, (from, to, share) => {
    sums[to] = at(sums, to) + share * at(diffDst.data, from);
  });
  diffSrc.data.set(sums);
}
