/**
 * Which pixels of an image or volume the pixels of a resampled one are made of. The axes are independent of each other.
 * The formulas are those of ONNX's `Resize` and `Pad`.
 */
import type { Extents, ResamplingAttributes, Resized } from "./attributes.ts";
import { sidesOf } from "./windows.ts";

/** A pixel along one axis, and its share. */
export type Tap = readonly [index: number, weight: number];

/** The pixels of the result along each axis, of `sizes` pixels. */
export function resampledSizes(attributes: ResamplingAttributes, sizes: readonly number[]): readonly number[] {
  if (!("padding" in attributes)) return attributes.size;
  const sides = sidesOf(attributes.padding, sizes.length);
  return sizes.map((size, axis) => {
    const [before, after] = sides[axis] ?? [0, 0];
    return before + size + after;
  });
}

/**
 * For each axis of `sizes` pixels and each pixel of the result along it: what it is made of. The shares of each pixel
 * sum to 1.
 */
export function tapsOf(
  attributes: ResamplingAttributes,
  sizes: readonly number[],
): readonly (readonly (readonly Tap[])[])[] {
  const counts = resampledSizes(attributes, sizes);
  return sizes.map((size, axis) => {
    const before = "padding" in attributes ? (sidesOf(attributes.padding, sizes.length)[axis]?.[0] ?? 0) : 0;
    return Array.from({ length: counts[axis] ?? 1 }, (_, index) => tapsAt(attributes, axis, size, index - before));
  });
}

/** `index`: the pixel of the result, counted from the first pixel of the image if the result has a border. */
function tapsAt(attributes: ResamplingAttributes, axis: number, size: number, index: number): readonly Tap[] {
  const within = (place: number): number => Math.min(size - 1, Math.max(0, place));
  if ("padding" in attributes) {
    return [[attributes.method === "edge" ? within(index) : folded(index, size, attributes.method), 1]];
  }
  // Where a place falls on the edge of two pixels, the nearest one depends on the bits that it is computed with. Other
  // runtimes use 32 bits.
  const place = placeOf(attributes, axis, size, index, attributes.method === "nearest" ? Math.fround : Number);
  switch (attributes.method) {
    case "nearest":
      return [[within(roundings[attributes.rounding](place)), 1]];
    case "linear": {
      const inside = within(place);
      const first = Math.floor(inside);
      const share = inside - first;
      return share === 0
        ? [[first, 1]]
        : ([
            [first, 1 - share],
            [first + 1, share],
          ] as const);
    }
    case "cubic": {
      const first = Math.floor(place) - 1;
      const near = [0, 1, 2, 3].map((step) => first + step);
      const shares = near.map((one): Tap => {
        const isOutside = one < 0 || one >= size;
        const isLeftOut = isOutside && attributes.excludesOutside === true;
        return [within(one), isLeftOut ? 0 : cubic(Math.abs(place - one), attributes.coefficient)];
      });
      const sum = shares.reduce((total, [, share]) => total + share, 0);
      return shares.map(([one, share]) => [one, share / sum]);
    }
  }
}

/** An index beyond the image, mirrored at the first and last pixel, or counted from the other side. */
function folded(place: number, size: number, method: "reflect" | "wrap"): number {
  const period = method === "wrap" ? size : Math.max(1, 2 * (size - 1));
  const inside = ((place % period) + period) % period;
  return inside < size ? inside : period - inside;
}

type Rounding = Extract<ResamplingAttributes, { method: "nearest" }>["rounding"];

const roundings: Readonly<Record<Rounding, (place: number) => number>> = {
  floor: Math.floor,
  ceil: Math.ceil,
  round_prefer_floor: (place) => Math.ceil(place - 0.5),
  round_prefer_ceil: (place) => Math.floor(place + 0.5),
};

/** Where pixel `index` of the result lies in the image. `rounded` gives each step the precision that is wanted. */
function placeOf(
  { size: to, scales, coordinates }: Resized,
  axis: number,
  size: number,
  index: number,
  rounded: (value: number) => number,
): number {
  const large = to[axis] ?? 1;
  const scale = rounded(scales?.[axis] ?? large / size);
  const scaled = rounded((index + 0.5) / scale);
  const centred = rounded(scaled - 0.5);
  switch (coordinates) {
    case "half_pixel":
      return centred;
    case "half_pixel_symmetric":
      return rounded((size / 2) * (1 - large / (scale * size)) + centred);
    case "pytorch_half_pixel":
      return large > 1 ? centred : 0;
    case "align_corners":
      return large > 1 ? rounded((index * (size - 1)) / (large - 1)) : 0;
    case "asymmetric":
      return rounded(index / scale);
    case "tf_half_pixel_for_nn":
      return scaled;
  }
}

/** The kernel of Keys, "Cubic convolution interpolation for digital image processing" (1981), equation 4. */
function cubic(distance: number, a: number): number {
  const [d, square, cube] = [distance, distance ** 2, distance ** 3];
  if (d <= 1) return (a + 2) * cube - (a + 3) * square + 1;
  return d < 2 ? a * cube - 5 * a * square + 8 * a * d - 4 * a : 0;
}

/** Whether the shares of pixels are those of oneDNN's linear resampling, which knows one kind of coordinates. */
export function isCentred(attributes: ResamplingAttributes): boolean {
  if (attributes.method !== "linear" || attributes.scales !== undefined) return false;
  const isLarge = (size: Extents): boolean => size.every((extent) => extent > 1);
  const { coordinates, size } = attributes;
  return coordinates === "half_pixel" || (coordinates === "pytorch_half_pixel" && isLarge(size));
}
