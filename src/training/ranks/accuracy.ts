/** The accuracy of a network that several ranks train: each rank scores a part of the images. */
import { tensor } from "../../core/tensor.ts";
import type { Dataset, Split } from "../../data/dataset.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import { type Accuracy, accuracyOf, measureAccuracy } from "../../evaluation/accuracy.ts";
import { type Answers, answersOf, type Classifier } from "../../evaluation/classifier.ts";
import type { LabelReading } from "../../evaluation/label-scores.ts";
import { partOfSplit } from "./parts.ts";

/** Accuracy on `split`, or the scores of `reading`. Each rank computes a part of it. */
export async function sharedAccuracy(
  classifier: Classifier,
  split: Split,
  { normalization, classes: names }: Dataset,
  cluster: Cluster,
  reading?: LabelReading,
): Promise<Accuracy> {
  const part = partOfSplit(split, cluster);
  if (cluster.size === 1) return measureAccuracy(classifier, part, normalization, reading);
  if (reading !== undefined) {
    const own = await answersOf(classifier, part, normalization);
    return accuracyOf(joinedAnswers(await cluster.gather(own), names.length), reading);
  }
  const own = part.count === 0 ? undefined : await measureAccuracy(classifier, part, normalization);
  const none = { images: 0, correct: 0, answers: 0 };
  const tallies = names.map((_, label) => own?.classes[label] ?? none);
  const sums = await cluster.sum(tallies.flatMap((tally) => [tally.images, tally.correct, tally.answers]));
  const classes = names.map((_, label) => {
    const [images = 0, correct = 0, answers = 0] = sums.slice(3 * label);
    return { images, correct, answers };
  });
  const images = classes.reduce((sum, tally) => sum + tally.images, 0);
  const correct = classes.reduce((sum, tally) => sum + tally.correct, 0);
  return { accuracy: (100 * correct) / images, correct, images, classes };
}

/** The answers of all ranks, one after the other. */
function joinedAnswers(parts: readonly Answers[], classes: number): Answers {
  const labels = Int32Array.from(parts.flatMap((part) => [...part.labels]));
  const logits = tensor([labels.length, classes]);
  let offset = 0;
  for (const { logits: part } of parts) {
    logits.data.set(part.data, offset);
    offset += part.data.length;
  }
  return { logits, labels };
}
