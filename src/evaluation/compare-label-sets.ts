/** Compares the outputs of two networks that answer with sets of labels. */
import type { Tensor } from "../core/tensor.ts";
import { rowOf } from "./classifier.ts";
import { type Comparison, largestGap, rangeOf, relativeTo } from "./comparison.ts";

/**
 * Compares outputs `[images, classes]`. An answer is the set of classes whose outputs are above `threshold`. It differs
 * by a tie if all classes that differ have an output of exactly `threshold` in one of the networks.
 */
export function compareLabelSets(original: Tensor, other: Tensor, threshold: number): Comparison {
  const [images = 0] = original.shape;
  let [largestDifference, worstImage, sameAnswers, ties] = [0, 0, 0, 0];
  let wrongImage: number | undefined;
  for (let image = 0; image < images; image++) {
    const [a, b] = [rowOf(original, image), rowOf(other, image)];
    const gap = largestGap(a, b);
    if (gap > largestDifference) [largestDifference, worstImage] = [gap, image];
    const differing = [...a.entries()].filter(
      ([one, value]) => value > threshold !== (b[one] ?? Number.NaN) > threshold,
    );
    const hasNumbers = ![...a, ...b].some(Number.isNaN);
    if (differing.length === 0 && hasNumbers) sameAnswers++;
    else if (hasNumbers && differing.every(([one, value]) => value === threshold || b[one] === threshold)) ties++;
    else wrongImage ??= image;
  }
  return {
    ...{ images, largestDifference, relativeDifference: relativeTo(largestDifference, rangeOf(original.data)) },
    ...{ sameAnswers, ties, otherAnswers: images - sameAnswers - ties, worstImage: wrongImage ?? worstImage },
  };
}
