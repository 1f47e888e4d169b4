/** Two networks' logits for the same images, compared. */
import { InternalError } from "../core/errors.ts";
import { formatShape, sameShape, type Tensor } from "../core/tensor.ts";
import { answerOf, rowOf } from "./classifier.ts";

export interface Comparison {
  readonly images: number;
  /** Largest |Δlogit|, over all images and classes. */
  readonly largestDifference: number;
  /** The same, relative to the range (largest − smallest) of the original's logits. */
  readonly relativeDifference: number;
  /** Images whose answers are the same. */
  readonly sameAnswers: number;
  /** Images whose answers differ, but only because two logits of one network are equal to the last bit. */
  readonly ties: number;
  /** Images whose answers differ. */
  readonly otherAnswers: number;
  /** Index of the image that differs most, or whose answer does. */
  readonly worstImage: number;
}

/** Compares logits `[images, classes]`; a logit that is not a number is `Number.MAX_VALUE` away from any other. */
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
 * Stands for an infinite difference: a logit that is not a number is as far from any other as numbers go. Infinity
 * itself has no place in JSON.
 */
const unbounded = Number.MAX_VALUE;

/** Largest − smallest; `Number.MAX_VALUE` where a value is not a finite number. */
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

/** Largest |a − b|; `Number.MAX_VALUE` where a value is not a finite number. */
export function largestGap(a: Float32Array, b: Float32Array): number {
  let largest = 0;
  for (const [index, value] of a.entries()) {
    const gap = Math.abs(value - (b[index] ?? Number.NaN));
    largest = Math.max(largest, Number.isFinite(gap) ? gap : unbounded);
  }
  return largest;
}

/** `difference` relative to `range`; as it is where the range is zero (a constant) or one of the two has no bound. */
export function relativeTo(difference: number, range: number): number {
  return range > 0 && range < unbounded && difference < unbounded ? difference / range : difference;
}

function isTie(row: Float32Array, answer: number, otherAnswer: number): boolean {
  return answer >= 0 && otherAnswer >= 0 && row[answer] === row[otherAnswer];
}
