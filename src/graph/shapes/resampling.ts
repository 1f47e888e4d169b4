/** The shape of a resampled image. */
import { formatShape, type Shape } from "../../core/tensor.ts";
import { resampledSize } from "../resampling.ts";
import type { ShapeContext } from "./rule.ts";

export function resampled({ input, attributes, check }: ShapeContext<"resampling">): readonly Shape[] {
  const [batch = 0, channels = 0, height = 0, width = 0] = input(0, 4);
  if ("padding" in attributes) {
    const { top, left, bottom, right } = attributes.padding;
    const sides = [top, left, bottom, right];
    // A mirror shows no pixel twice.
    const [rows, columns] = attributes.method === "reflect" ? [height - 1, width - 1] : [height, width];
    const fits = attributes.method === "edge" || (Math.max(top, bottom) <= rows && Math.max(left, right) <= columns);
    check(fits && sides.every((side) => side >= 0), `a border of at most ${rows} × ${columns}`, formatShape(sides));
  } else {
    const { size, scales = [1, 1] } = attributes;
    check(size.length === 2 && size.every((extent) => extent > 0), "a height and a width", formatShape(size));
    check(scales.length === 2 && scales.every((scale) => scale > 0), "positive scales", `${scales}`);
  }
  return [[batch, channels, resampledSize(attributes, 0, height), resampledSize(attributes, 1, width)]];
}
