/** Images or volumes of another size, and the gradient. Both walk over the same shares of pixels. */
import type { Shape } from "../../core/tensor.ts";
import type { ResamplingAttributes } from "../../graph/attributes.ts";
import { type Tap, tapsOf } from "../../graph/resampling.ts";
import { PIXELS_FROM } from "../../graph/windows.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

const ONE_SLICE: readonly (readonly Tap[])[] = [[[0, 1]]];

/** Visits each pixel of `dst`, with each pixel of `src` that it has a share of. */
function forEachShare(
  src: Shape,
  dst: Shape,
  attributes: ResamplingAttributes,
  visit: (to: number, from: number, share: number) => void,
): void {
  const pixels = src.slice(PIXELS_FROM);
  const taps = tapsOf(attributes, pixels);
  const [height = 1, width = 1] = pixels.slice(-2);
  const [rows = [], columns = []] = taps.slice(-2);
  // An image is a volume of one slice.
  const [depth, slices = []] = pixels.length === 3 ? [pixels[0] ?? 1, taps[0]] : [1, ONE_SLICE];
  const volumes = extent(dst, 0) * extent(dst, 1);
  let to = 0;
  for (let volume = 0; volume < volumes; volume++) {
    for (const inSlices of slices) {
      for (const inRows of rows) {
        for (const inColumns of columns) {
          for (const [slice, deep] of inSlices) {
            for (const [row, vertical] of inRows) {
              const start = ((volume * depth + slice) * height + row) * width;
              for (const [column, horizontal] of inColumns) visit(to, start + column, deep * vertical * horizontal);
            }
          }
          to++;
        }
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
