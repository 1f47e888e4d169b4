/** The shape of a resampled image or volume. */
import { formatShape, type Shape } from "../../core/tensor.ts";
import { resampledSizes } from "../resampling.ts";
import { sidesOf } from "../windows.ts";
import type { ShapeContext } from "./rule.ts";
import { withPixels } from "./windows.ts";

export function resampled(context: ShapeContext<"resampling">): readonly Shape[] {
  const { attributes, check } = context;
  const [batch = 0, channels = 0, ...pixels] = withPixels(context);
  if ("padding" in attributes) {
    const sides = sidesOf(attributes.padding, pixels.length);
    // A mirror shows no pixel twice.
    const largest = attributes.method === "reflect" ? pixels.map((size) => size - 1) : pixels;
    const fits = sides.every((own, axis) =>
      own.every((side) => side >= 0 && (attributes.method === "edge" || side <= (largest[axis] ?? 0))),
    );
    check(fits, `a border of at most ${largest.join(" × ")}`, formatShape(sides.flat()));
  } else {
    const { size, scales = size } = attributes;
    const fits = size.length === pixels.length && size.every((extent) => extent > 0);
    check(fits, `${pixels.length} positive extents`, formatShape(size));
    const isScaled = scales.length === pixels.length && scales.every((scale) => scale > 0);
    check(isScaled, `${pixels.length} positive scales`, `${scales}`);
  }
  return [[batch, channels, ...resampledSizes(attributes, pixels)]];
}
