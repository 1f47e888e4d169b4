/** The order of the images: in each epoch a permutation that depends on (seed, epoch) alone. */
import { UserError } from "../core/errors.ts";
import { RandomStream } from "../core/random.ts";

/** The index of the image at each position of epoch `epoch`. */
export function epochOrder(seed: number, epoch: number, count: number): Int32Array {
  return new RandomStream(seed, "order", epoch).permutation(count);
}

/** @throws UserError "bad-option" if `batch` is not a positive integer. */
export function checkBatch(batch: number): void {
  if (Number.isInteger(batch) && batch >= 1) return;
  throw new UserError("bad-option", "the batch size must be a positive whole number", {
    about: "batch",
    expected: "1 or more",
    received: String(batch),
    hint: "Choose how many images one step takes, such as 128",
  });
}

/**
 * Steps of an epoch over `count` images. The last, incomplete batch is dropped.
 * @throws UserError "bad-option" if `batch` is not a positive integer or is larger than `count`.
 */
export function stepsPerEpoch(count: number, batch: number): number {
  checkBatch(batch);
  if (batch > count) {
    throw new UserError("bad-option", `a batch of ${batch} images is larger than the data`, {
      about: "batch",
      expected: `at most ${count}`,
      received: String(batch),
      hint: `Use --batch ${count} or less`,
    });
  }
  return Math.floor(count / batch);
}
