/** Accuracy of a network on a split. */
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import type { Normalization, Split } from "../data/dataset.ts";
import type { ClassTally } from "./class-tally.ts";
import { type Answers, answerOf, answersOf, type Classifier } from "./classifier.ts";
import { type LabelReading, type LabelScores, labelAccuracy } from "./label-scores.ts";

export interface Accuracy {
  /** Correctly classified images, in percent. */
  readonly accuracy: number;
  readonly correct: number;
  readonly images: number;
  /** By class, in the order of the logits. */
  readonly classes: readonly ClassTally[];
  /**
   * Set if images may have several labels. `accuracy` is then the mean average precision, and `correct` counts the
   * images with the right set of labels.
   */
  readonly labels?: LabelScores;
}

/**
 * Accuracy of `classifier` on `split`. Images that cannot be read do not count. The number of images need not be a
 * multiple of the batch. `reading`: how outputs are read as sets of labels, if images may have several. Throws
 * `UserError("bad-option")` if the split is empty or has labels without a logit.
 */
export async function measureAccuracy(
  classifier: Classifier,
  split: Split,
  normalization: Normalization,
  reading?: LabelReading,
): Promise<Accuracy> {
  requireArguments("measureAccuracy", {
    classifier: [classifier, "classifier"],
    split: [split, "split"],
    normalization: [normalization, "normalization"],
    reading: [reading, "object?"],
  });
  if (split.count === 0)
    throw new UserError("bad-option", "there are no images to measure accuracy on", {
      hint: "Give a dataset with test images",
    });
  return accuracyOf(await answersOf(classifier, split, normalization), reading);
}

/** Accuracy of `answers`; throws as `measureAccuracy` does. */
export function accuracyOf({ logits, labels }: Answers, reading?: LabelReading): Accuracy {
  if (reading !== undefined) return labelAccuracy(logits, labels, reading);
  const [, classes = 0] = logits.shape;
  const largest = labels.reduce((a, b) => Math.max(a, b));
  if (largest >= classes) {
    throw new UserError("bad-option", "the images have more classes than the network", {
      expected: `at most ${classes}`,
      received: `a label of ${largest}`,
      hint: "Choose the data that the network was trained for",
    });
  }
  const tallies = Array.from({ length: classes }, () => ({ images: 0, correct: 0, answers: 0 }));
  let correct = 0;
  for (const [index, label] of labels.entries()) {
    const answer = answerOf(logits, index);
    const [own, answered] = [tallies[label], tallies[answer]];
    if (own !== undefined) own.images++;
    if (answered !== undefined) answered.answers++;
    if (answer !== label || own === undefined) continue;
    own.correct++;
    correct++;
  }
  return { accuracy: (100 * correct) / labels.length, correct, images: labels.length, classes: tallies };
}
