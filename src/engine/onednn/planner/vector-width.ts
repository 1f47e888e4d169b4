/**
 * The widths that kernels work with: channels fill whole vectors. The same implementation is the fastest for all widths
 * that fill the same number of vectors. They share timings, so nothing has to be timed again after pruning.
 */
import type { ImageLayout } from "./program.ts";

const VECTOR = 16;

export interface VectorWidth {
  /** The channels of whole vectors. */
  readonly padded: number;
  /** Whether the last vector of channels-last images is not full. Many kernels need it full, so timings differ. */
  readonly hasRest: boolean;
}

export function vectorWidth(channels: number, layout: ImageLayout): VectorWidth {
  const padded = Math.ceil(channels / VECTOR) * VECTOR;
  return { padded, hasRest: layout === "nhwc" && padded !== channels };
}
