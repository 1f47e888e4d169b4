/** Softmax cross-entropy: the loss, its gradient and the count of right answers in one kernel. */
import { required, UserError } from "../../core/errors.ts";
import { at, extent, input, type KernelContext, output } from "./kernel.ts";

/**
 * loss = mean over the batch of −log softmax(logits)[label]; diff_src = (softmax(logits) − one-hot) / N. A sample counts as
 * correct if its label is the first of its largest logits. Throws `UserError("bad-option")` for a label that is no class.
 */
export function softmaxCrossEntropy(context: KernelContext<"softmax_cross_entropy">): void {
  const logits = input(context, 0);
  const second = context.inputs[1];
  const labels = required(second?.dtype === "i32" ? second.data : undefined, "integer labels of the loss");
  const diffSrc = output(context, 1).data;
  const [batch, classes] = [extent(logits.shape, 0), extent(logits.shape, 1)];
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
    const row = logits.data.subarray(n * classes, (n + 1) * classes);
    // Subtracting the largest logit changes nothing but keeps the exponentials finite.
    const largest = row.reduce((best, value) => Math.max(best, value), Number.NEGATIVE_INFINITY);
    const sum = row.reduce((partial, value) => partial + Math.exp(value - largest), 0);
    loss += Math.log(sum) + largest - at(row, label);
    if (row.indexOf(largest) === label) correct++;
    row.forEach((value, f) => {
      diffSrc[n * classes + f] = (Math.exp(value - largest) / sum - (f === label ? 1 : 0)) / batch;
    });
  }
  output(context, 0).data[0] = loss / batch;
  output(context, 2).data[0] = correct;
}
