/** Runs on several ranks: the part of each rank in a batch and in the test images, and a check that ranks agree. */
import { UserError } from "../../core/errors.ts";
import { tensor } from "../../core/tensor.ts";
import { type Dataset, imagesBetween, type Split } from "../../data/dataset.ts";
import type { BatchPart } from "../../data/training-batches.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import { type Accuracy, accuracyOf, measureAccuracy } from "../../evaluation/accuracy.ts";
import { type Answers, answersOf, type Classifier } from "../../evaluation/classifier.ts";
import type { LabelReading } from "../../evaluation/label-scores.ts";
import type { Network } from "../../graph/graph.ts";
import { hashData, hashWeights } from "../run-folder/run-record.ts";
import type { Settings } from "../settings/settings.ts";

/**
 * Number of images of a batch for each of `ranks`.
 * @throws UserError "bad-option" if they cannot be divided evenly, with the nearest batches that can.
 */
export function imagesPerRank(batch: number, ranks: number): number {
  if (batch % ranks === 0) return batch / ranks;
  const below = batch - (batch % ranks);
  const nearest = below === 0 ? `${ranks}` : `${below} or ${below + ranks}`;
  throw new UserError("bad-option", `a batch of ${batch} images cannot be divided evenly among ${ranks} ranks`, {
    about: "batch",
    expected: `a multiple of ${ranks}`,
    received: `${batch}`,
    hint: `Use --batch ${nearest}`,
  });
}

/** The part of each batch that this rank loads and computes. */
export function partOfBatch(batch: number, cluster: Cluster): BatchPart {
  const count = imagesPerRank(batch, cluster.size);
  return { first: cluster.rank * count, count };
}

/** Accuracy on `split`, or the scores of `reading`. Each rank computes a part of it. */
export async function sharedAccuracy(
  classifier: Classifier,
  split: Split,
  { normalization, classes: names }: Dataset,
  cluster: Cluster,
  reading?: LabelReading,
): Promise<Accuracy> {
  const bound = (rank: number): number => Math.floor((rank * split.count) / cluster.size);
  const part = imagesBetween(split, bound(cluster.rank), bound(cluster.rank + 1));
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

/** The inputs of a run that must be the same on all ranks. */
export interface SharedInputs {
  readonly settings: Settings;
  readonly dataset: Dataset;
  readonly network: Network;
  readonly engine: Readonly<Record<string, string>>;
}

/**
 * Checks that all ranks have the same inputs as rank 0.
 * @throws UserError "ranks-differ" with the rank, its host and the difference.
 */
export async function requireSameInputs(
  cluster: Cluster,
  { settings, dataset, network, engine }: SharedInputs,
): Promise<void> {
  await cluster.requireSame(() => {
    const { train, test } = hashData(dataset);
    // Threads may differ: they only change the order of sums within a rank.
    const { threads: _, ...kernels } = engine;
    return {
      ...Object.fromEntries(
        Object.entries(settings).map(([name, value]) => [`option "${name}"`, JSON.stringify(value)] as const),
      ),
      "set of training images": `sha256 ${train}`,
      "set of test images": `sha256 ${test}`,
      "network to start from": `sha256 ${hashWeights(network.weights)}`,
      ...Object.fromEntries(Object.entries(kernels).map(([name, value]) => [`engine (${name})`, value])),
    };
  });
}
