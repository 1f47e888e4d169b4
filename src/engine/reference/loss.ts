/**
 * Cross-entropy against labels and against soft targets: the loss, its gradient and the count of right answers in one
 * kernel.
 */
import { required, UserError } from "../../core/errors.ts";
import { binaryCrossEntropy } from "./binary-loss.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/**
 * loss = mean over the batch of −log softmax(logits)[label]; diff_src = (softmax(logits) − one-hot) / N; both times
 * `share`. A sample counts as correct if its label is the first of its largest logits. Throws `UserError("bad-option")`
 * for a label that is no class.
 */
export function softmaxCrossEntropy(context: KernelContext<"softmax_cross_entropy">): void {
  const logits = input(context, 0);
  const second = context.inputs[1];
  const labels = required(second?.dtype === "i32" ? second.data : undefined, "integer labels of the loss");
  const diffSrc = output(context, 1).data;
  const { share = 1 } = context.attributes;
  const [batch, classes] = [extent(logits.shape, 0), extent(logits.shape, 1)];
  const powers = new Float64Array(classes);
  let loss = 0;
  let correct = 0;
  for (let n = 0; n < batch; n++) {
    const label = at(labels, n);
    if (label < 0 || label >= classes) {
      throw new UserError("bad-option", "a label is no class of the network", {
        about: `label of sample ${n}`,
        expected: `0 … ${classes - 1}`,
        received: `${label}`,
        hint: "Build the network with as many classes as the data has",
      });
    }
    const from = n * classes;
    // Subtracting the largest logit changes nothing but keeps the exponentials finite.
    let largest = Number.NEGATIVE_INFINITY;
    for (let f = 0; f < classes; f++) largest = Math.max(largest, at(logits.data, from + f));
    let sum = 0;
    for (let f = 0; f < classes; f++) {
      const power = Math.exp(at(logits.data, from + f) - largest);
      powers[f] = power;
      sum += power;
    }
    loss += Math.log(sum) + largest - at(logits.data, from + label);
    if (firstLargest(logits.data, from, classes) === label) correct++;
    for (let f = 0; f < classes; f++) {
      diffSrc[from + f] = (at(powers, f) / sum - (f === label ? 1 : 0)) * (share / batch);
    }
  }
  output(context, 0).data[0] = loss * (share / batch);
  output(context, 2).data[0] = correct;
}

/**
 * Cross-entropy of softmax(logits / T) against distributions, a weighted sum over the terms. With p = softmax(z / T)
 * and targets t: ∂/∂z of −Σ t·log p is (p·Σt − t) / T.
 */
export function softCrossEntropy(context: KernelContext<"soft_cross_entropy">): void {
  const { terms, isPerClass = false } = context.attributes;
  if (isPerClass) {
    binaryCrossEntropy(context);
    return;
  }
  const logits = input(context, 0);
  const diffSrc = output(context, 1).data;
  const [batch, classes] = [extent(logits.shape, 0), extent(logits.shape, 1)];
  const scaled = new Float64Array(classes);
  let loss = 0;
  let correct = 0;
  diffSrc.fill(0);
  for (let n = 0; n < batch; n++) {
    const from = n * classes;
    for (const [index, { weight, temperature }] of terms.entries()) {
      const targets = input(context, index + 1).data;
      let largest = Number.NEGATIVE_INFINITY;
      for (let f = 0; f < classes; f++) {
        const value = at(logits.data, from + f) / temperature;
        scaled[f] = value;
        // Unlike a comparison, it hands on what is not a number.
        largest = Math.max(largest, value);
      }
      let sum = 0;
      let total = 0;
      for (let f = 0; f < classes; f++) {
        sum += Math.exp(at(scaled, f) - largest);
        total += at(targets, from + f);
      }
      const logSum = Math.log(sum) + largest;
      for (let f = 0; f < classes; f++) {
        const target = at(targets, from + f);
        const logProbability = at(scaled, f) - logSum;
        // A class that is not expected costs nothing, however unlikely it is.
        if (target !== 0) loss -= weight * target * logProbability;
        const slope = (Math.exp(logProbability) * total - target) / temperature;
        diffSrc[from + f] = at(diffSrc, from + f) + (weight * slope) / batch;
      }
    }
    if (firstLargest(logits.data, from, classes) === firstLargest(input(context, 1).data, from, classes)) correct++;
  }
  output(context, 0).data[0] = loss / batch;
  output(context, 2).data[0] = correct;
}

function firstLargest(data: Float32Array, from: number, count: number): number {
  let best = 0;
  for (let f = 1; f < count; f++) if (at(data, from + f) > at(data, from + best)) best = f;
  return best;
}
