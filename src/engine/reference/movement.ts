/** Ops that give the numbers of each image other places: reshape, gather with its gradient, and blocks of pixels. */
import { elementCount } from "../../core/tensor.ts";
import type { BlockAttributes } from "../../graph/attributes.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/** In row-major order the numbers stay where they are. */
export function reshape(context: KernelContext<"reshape">): void {
  output(context, 0).data.set(input(context, 0).data);
}

export function gather(context: KernelContext<"gather">): void {
  const [src, dst] = [input(context, 0), output(context, 0)];
  const { order } = context.attributes;
  const channels = extent(src.shape, 1);
  const pixels = elementCount(src.shape.slice(2));
  for (let n = 0; n < extent(src.shape, 0); n++) {
    for (const [place, channel] of order.entries()) {
      const from = (n * channels + channel) * pixels;
      dst.data.set(src.data.subarray(from, from + pixels), (n * order.length + place) * pixels);
    }
  }
}

export function gatherBackward(context: KernelContext<"gather_backward">): void {
  const [diffDst, diffSrc] = [input(context, 0), output(context, 0)];
  const { order } = context.attributes;
  const channels = extent(diffSrc.shape, 1);
  const pixels = elementCount(diffSrc.shape.slice(2));
  const sums = new Float64Array(diffSrc.data.length);
  for (let n = 0; n < extent(diffSrc.shape, 0); n++) {
    for (const [place, channel] of order.entries()) {
      const [from, to] = [(n * order.length + place) * pixels, (n * channels + channel) * pixels];
      for (let pixel = 0; pixel < pixels; pixel++) {
        sums[to + pixel] = at(sums, to + pixel) + at(diffDst.data, from + pixel);
      }
    }
  }
  diffSrc.data.set(sums);
}

/** Visits every number of the large image [N,C,H·B,W·B], with its place in the small one [N,C·B·B,H,W]. */
function forEachPlace(
  shape: readonly number[],
  { block, mode }: BlockAttributes,
  visit: (large: number, small: number) => void,
): void {
  const [channels, height, width] = [extent(shape, 1), extent(shape, 2), extent(shape, 3)];
  const [rows, columns] = [height / block, width / block];
  const count = elementCount(shape);
  for (let large = 0; large < count; large++) {
    const column = large % width;
    const row = Math.floor(large / width) % height;
    const plane = Math.floor(large / (width * height));
    const [image, channel] = [Math.floor(plane / channels), plane % channels];
    const place = (row % block) * block + (column % block);
    const deep = mode === "DCR" ? place * channels + channel : channel * block ** 2 + place;
    const pixel = Math.floor(row / block) * columns + Math.floor(column / block);
    visit(large, (image * channels * block ** 2 + deep) * rows * columns + pixel);
  }
}

export function depthToSpace(context: KernelContext<"depth_to_space">): void {
  const [src, dst] = [input(context, 0), output(context, 0)];
  forEachPlace(dst.shape, context.attributes, (large, small) => {
    dst.data[large] = at(src.data, small);
  });
}

export function spaceToDepth(context: KernelContext<"space_to_depth">): void {
  const [src, dst] = [input(context, 0), output(context, 0)];
  forEachPlace(src.shape, context.attributes, (large, small) => {
    dst.data[small] = at(src.data, large);
  });
}
