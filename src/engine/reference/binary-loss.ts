/** Cross-entropy where each class is a question of its own: the loss, its gradient and the count of right rows. */
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/**
 * A weighted sum over the terms, of means over the batch: for each class, with x = z / T and target t, the loss is
 * max(x, 0) − x·t + log(1 + e^−|x|), which is −t·log σ(x) − (1 − t)·log(1 − σ(x)) without large exponentials. Its
 * gradient by z is (σ(x) − t) / T.
 */
export function binaryCrossEntropy(context: KernelContext<"soft_cross_entropy">): void {
  const { terms } = context.attributes;
  const logits = input(context, 0);
  const diffSrc = output(context, 1).data;
  const [batch, classes] = [extent(logits.shape, 0), extent(logits.shape, 1)];
  let loss = 0;
  let correct = 0;
  diffSrc.fill(0);
  for (let n = 0; n < batch; n++) {
    let isRight = true;
    for (let f = n * classes; f < (n + 1) * classes; f++) {
      const logit = at(logits.data, f);
      for (const [index, { weight, temperature }] of terms.entries()) {
        const target = at(input(context, index + 1).data, f);
        const x = logit / temperature;
        loss += weight * (Math.max(x, 0) - x * target + Math.log1p(Math.exp(-Math.abs(x))));
        diffSrc[f] = at(diffSrc, f) + (weight * (1 / (1 + Math.exp(-x)) - target)) / temperature / batch;
      }
      if (logit > 0 !== at(input(context, 1).data, f) >= 0.5) isRight = false;
    }
    if (isRight) correct++;
  }
  output(context, 0).data[0] = loss / batch;
  output(context, 2).data[0] = correct;
}
