/** Rows of a table that numbers of the images name, and the gradient of the table. */
import { elementCount, type Tensor } from "../../core/tensor.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/** For each image the row of a table of `rows` rows that number `column` of the image names. */
function* rowsOf(src: Tensor, column: number, rows: number): Generator<readonly [image: number, row: number]> {
  const images = extent(src.shape, 0);
  const numbers = elementCount(src.shape.slice(1));
  for (let image = 0; image < images; image++) {
    const row = Math.round(at(src.data, image * numbers + column));
    yield [image, Math.min(rows - 1, Math.max(0, row))];
  }
}

export function lookup(context: KernelContext<"lookup">): void {
  const table = input(context, 1);
  const dst = output(context, 0).data;
  const [rows, features] = [extent(table.shape, 0), extent(table.shape, 1)];
  for (const [image, row] of rowsOf(input(context, 0), context.attributes.column, rows)) {
    dst.set(table.data.subarray(row * features, (row + 1) * features), image * features);
  }
}

export function lookupBackward(context: KernelContext<"lookup_backward">): void {
  const diffDst = input(context, 1);
  const { column, rows } = context.attributes;
  const features = extent(diffDst.shape, 1);
  const sums = new Float64Array(rows * features);
  for (const [image, row] of rowsOf(input(context, 0), column, rows)) {
    for (let feature = 0; feature < features; feature++) {
      const place = row * features + feature;
      sums[place] = at(sums, place) + at(diffDst.data, image * features + feature);
    }
  }
  output(context, 0).data.set(sums);
}
