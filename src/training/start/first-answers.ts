/**
 * What a trained network answers before its first step, on some training images. Good answers are worth learning from.
 * Answers no better than guessing mean that the network sees other values, or has other classes, than it was trained
 * with: training on would lose what its weights have learnt.
 */
import { type Dataset, imagesAt, type Normalization } from "../../data/dataset.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import type { EngineHost } from "../../engine/host.ts";
import { measureAccuracy } from "../../evaluation/accuracy.ts";
import { balancedAccuracy } from "../../evaluation/class-tally.ts";
import { engineClassifier } from "../../evaluation/classifier.ts";
import { inTwoClasses } from "../../evaluation/two-classes.ts";
import type { Network } from "../../graph/graph.ts";
import type { EventBody } from "../events/events.ts";
import { normalizationFlagsOf, usualNormalizations } from "./data/common-normalizations.ts";

type Warning = Extract<EventBody, { type: "warning" }>;

export interface FirstAnswers {
  /** Mean recall of the classes, in percent. */
  readonly accuracy: number;
  /** Training images that were answered. */
  readonly images: number;
  /** Set if the answers are no better than guessing. */
  readonly warning?: Warning;
  /** The engine's notices. It tells some of them only once, so the run has to repeat them. */
  readonly notices: readonly string[];
}

/** Training images that are answered, at most. They make an accuracy of 50 % certain to 2 points. */
const MOST_IMAGES = 512;
/** Standard deviations of guessing below which an accuracy counts as guessing, and above which another is better. */
const GUESSING = 1.5;
const BETTER = 4;

/**
 * The answers of `network` on training images of `dataset` that lie evenly among all, in batches of `batch`. Rank 0
 * looks for all ranks.
 */
export async function firstAnswers(
  { host, cluster }: { readonly host: EngineHost; readonly cluster: Cluster },
  { network, dataset, batch }: { readonly network: Network; readonly dataset: Dataset; readonly batch: number },
): Promise<FirstAnswers> {
  return cluster.onFirst(async () => {
    const { train } = dataset;
    const count = Math.min(MOST_IMAGES, train.count);
    const images = imagesAt(
      train,
      Array.from({ length: count }, (_, index) => Math.floor((index * train.count) / count)),
    );
    const notices: string[] = [];
    const classifier = inTwoClasses(
      await engineClassifier(host, network, batch, (notice) => notices.push(notice)),
      network.graph,
    );
    try {
      const answers = await answersOn(dataset, count, async (normalization) =>
        balancedAccuracy((await measureAccuracy(classifier, images, normalization)).classes),
      );
      return { ...answers, notices };
    } finally {
      await classifier.dispose();
    }
  });
}

async function answersOn(
  { classes, normalization, sampleShape }: Dataset,
  images: number,
  scored: (normalization: Normalization) => Promise<number>,
): Promise<Omit<FirstAnswers, "notices">> {
  const { below, above } = guessing(classes.length, images);
  const accuracy = await scored(normalization);
  if (accuracy > below) return { accuracy, images };
  let best = { accuracy: above, flags: "" };
  for (const usual of usualNormalizations) {
    if (usual.mean.length !== sampleShape[0]) continue;
    const other = await scored(usual);
    if (other > best.accuracy) best = { accuracy: other, flags: normalizationFlagsOf(usual) };
  }
  const warning: Warning = {
    type: "warning",
    reason: "starts-at-chance",
    message:
      `Before training, the network recognises ${accuracy.toFixed(1)} % of ${images} training images ` +
      "(mean over the classes), as guessing would: it probably gets other values than it was trained on",
    hint:
      best.flags === ""
        ? "Check --mean and --std, and that the classes are in the order of the network's outputs: " +
          classes.slice(0, 5).join(", ") +
          (classes.length > 5 ? ", …" : "")
        : `With ${best.flags} it recognises ${best.accuracy.toFixed(1)} %: start again with these values`,
  };
  return { accuracy, images, warning };
}

/** The percentages that guessing among `classes` stays below for most samples of `images`, and above for none. */
function guessing(classes: number, images: number): { readonly below: number; readonly above: number } {
  const chance = 1 / classes;
  const deviation = Math.sqrt((chance * (1 - chance)) / images);
  return { below: 100 * (chance + GUESSING * deviation), above: 100 * (chance + BETTER * deviation) };
}
