/** How far the probabilities of one network are from those of another. */
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

/** As `meanDivergence`, with a probability for each class of its own: the sum over the classes of both cases. */
export function meanLabelDivergence(original: Tensor, other: Tensor): number {
  const [images = 0] = original.shape;
  let sum = 0;
  for (const [index, logit] of original.data.entries()) {
    const against = other.data[index] ?? 0;
    const p = 1 / (1 + Math.exp(-logit));
    sum += p * (logSigmoid(logit) - logSigmoid(against)) + (1 - p) * (logSigmoid(-logit) - logSigmoid(-against));
  }
  return images === 0 ? 0 : sum / images;
}

function logSigmoid(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
}
