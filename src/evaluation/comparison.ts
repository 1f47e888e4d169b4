/** Compares the logits of two networks for the same images. */
import { InternalError } from "../core/errors.ts";
import { formatShape, sameShape, type Tensor } from "../core/tensor.ts";
import { answerOf, rowOf } from "./classifier.ts";

export interface Comparison {
  readonly images: number;
  /** Largest |Δlogit|, over all images and classes. */
  readonly largestDifference: number;
  /** `largestDifference`, relative to the range (largest − smallest) of the original's logits. */
  readonly relativeDifference: number;
  /** Images whose answers are the same. */
  readonly sameAnswers: number;
  /** Images whose answers differ only because one network has two logits that are equal bit for bit. */
  readonly ties: number;
  /** Images with different answers, without ties. */
  readonly otherAnswers: number;
  /** Index of the first image with a different answer, or else of the image with the largest difference. */
  readonly worstImage: number;
}

/** Compares logits `[images, classes]`. The difference to a logit that is not finite is `Number.MAX_VALUE`. */
export function compareLogits(original: Tensor, other: Tensor): Comparison {
  if (!sameShape(original.shape, other.shape)) {
    throw new InternalError(`logits of ${formatShape(original.shape)} against ${formatShape(other.shape)}`);
  }
  const [images = 0] = original.shape;
  let largestDifference = 0;
  let worstImage = 0;
  let sameAnswers = 0;
  let ties = 0;
  let wrongImage: number | undefined;
  for (let image = 0; image < images; image++) {
    const [a, b] = [rowOf(original, image), rowOf(other, image)];
    const difference = largestGap(a, b);
    if (difference > largestDifference) [largestDifference, worstImage] = [difference, image];
    const [answer, otherAnswer] = [answerOf(original, image), answerOf(other, image)];
    if (answer === otherAnswer && answer >= 0) sameAnswers++;
    else if (isTie(a, answer, otherAnswer) || isTie(b, answer, otherAnswer)) ties++;
    else wrongImage ??= image;
  }
  const range = rangeOf(original.data);
  return {
    images,
    largestDifference,
    relativeDifference: relativeTo(largestDifference, range),
    sameAnswers,
    ties,
    otherAnswers: images - sameAnswers - ties,
    worstImage: wrongImage ?? worstImage,
  };
}

/**
 * Stands for an infinite difference, which JSON cannot represent.
 */
const unbounded = Number.MAX_VALUE;

/** Largest − smallest; `Number.MAX_VALUE` if a value is not finite. */
export function rangeOf(values: Float32Array): number {
  let smallest = Number.POSITIVE_INFINITY;
  let largest = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    smallest = Math.min(smallest, value);
    largest = Math.max(largest, value);
  }
  const range = largest - smallest;
  return Number.isFinite(range) ? range : unbounded;
}

/** Largest |a − b|; `Number.MAX_VALUE` if a value is not finite. */
export function largestGap(a: Float32Array, b: Float32Array): number {
  let largest = 0;
  for (const [index, value] of a.entries()) {
    const gap = Math.abs(value - (b[index] ?? Number.NaN));
    largest = Math.max(largest, Number.isFinite(gap) ? gap : unbounded);
  }
  return largest;
}

/** `difference / range`; `difference` itself if the range is zero (a constant) or one of the two is unbounded. */
export function relativeTo(difference: number, range: number): number {
  return range > 0 && range < unbounded && difference < unbounded ? difference / range : difference;
}

function isTie(row: Float32Array, answer: number, otherAnswer: number): boolean {
  return answer >= 0 && otherAnswer >= 0 && row[answer] === row[otherAnswer];
}
