/** How far the class probabilities of one network are from those of another. */
import type { Tensor } from "../core/tensor.ts";
import { rowOf } from "../evaluation/classifier.ts";
import { logSoftmax } from "../evaluation/confusion.ts";

/** Mean over the rows of Σ p · ln(p / q), with p, q the softmax of `original` and `other`, both [images, classes]. */
export function meanDivergence(original: Tensor, other: Tensor): number {
  const [images = 0] = original.shape;
  let sum = 0;
  for (let image = 0; image < images; image++) {
    const [p, q] = [logSoftmax(rowOf(original, image)), logSoftmax(rowOf(other, image))];
    for (const [label, logP] of p.entries()) sum += Math.exp(logP) * (logP - (q[label] ?? 0));
  }
  return images === 0 ? 0 : sum / images;
}
