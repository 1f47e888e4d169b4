/**
 * The axes that windows slide along: height and width of an image, or depth, height and width of a volume. Shapes,
 * kernels and formats walk over these axes, so that none of them has to know how many there are.
 */
import { InternalError } from "../core/errors.ts";
import type { Extents, Padding } from "./attributes.ts";

/** Zeros before and after the pixels of an axis. */
export type Sides = readonly [before: number, after: number];

/** How a window slides along one axis. */
export interface WindowAxis {
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

/** Axes of a value in front of its pixels: batch and channels. */
export const PIXELS_FROM = 2;

/** Whether a value of `rank` axes is an image [N,C,H,W] or a volume [N,C,D,H,W]. */
export function hasPixels(rank: number): boolean {
  return rank === 4 || rank === 5;
}

/** `values`, one for each axis of pixels. Throws an `InternalError` unless there are two or three. */
export function extentsOf(values: readonly number[]): Extents {
  const [first, second, third, ...rest] = values;
  if (first === undefined || second === undefined || rest.length > 0) {
    throw new InternalError(`${values.length} axes of pixels`);
  }
  return third === undefined ? [first, second] : [first, second, third];
}

/** `value` along each of the axes of pixels of a value of `rank` axes. */
export function everywhere(value: number, rank: number): Extents {
  return rank === 5 ? [value, value, value] : [value, value];
}

/** The sides of each of `count` axes. */
export function sidesOf({ top, left, bottom, right, front = 0, back = 0 }: Padding, count: number): readonly Sides[] {
  const ofImage: readonly Sides[] = [
    [top, bottom],
    [left, right],
  ];
  return count === 3 ? [[front, back], ...ofImage] : ofImage;
}

/** The inverse of `sidesOf`. */
export function paddingOf(sides: readonly Sides[]): Padding {
  const [[top, bottom] = [0, 0], [left, right] = [0, 0]] = sides.slice(-2);
  const [[front, back] = [0, 0]] = sides;
  return sides.length === 3 ? { front, top, left, back, bottom, right } : { top, left, bottom, right };
}

export function addsZeros(padding: Padding): boolean {
  return Object.values(padding).some((side: number) => side > 0);
}

/** A window that slides over pixels. */
interface Window {
  readonly strides: Extents;
  readonly padding: Padding;
  readonly dilation?: Extents;
}

/** How the window slides along each axis. */
export function windowAxes({ strides, padding, dilation }: Window): readonly WindowAxis[] {
  const sides = sidesOf(padding, strides.length);
  return strides.map((stride, axis) => {
    const [before, after] = sides[axis] ?? [0, 0];
    return { stride, dilation: dilation?.[axis] ?? 1, before, after };
  });
}

/** A window of one pixel, which moves from pixel to pixel. */
export const stillAxis: WindowAxis = { stride: 1, dilation: 1, before: 0, after: 0 };
