/**
 * Measures the accuracy of trained weights before the first step, on some training images. A network with a good
 * accuracy is worth distilling from. One that is no better than guessing sees other values, or has other classes, than
 * it was trained with: training on would lose what its weights have learnt.
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
import { commonNormalizations, normalizationFlagsOf } from "./data/common-normalizations.ts";

type Warning = Extract<EventBody, { type: "warning" }>;

export interface InitialAccuracy {
  /** Mean recall of the classes, in percent. */
  readonly accuracy: number;
  /** Number of training images that it was measured on. */
  readonly images: number;
  /** Set if the accuracy is no better than guessing. */
  readonly warning?: Warning;
  /** The engine's notices. It tells some of them only once, so the run has to repeat them. */
  readonly notices: readonly string[];
}

/** Most training images to measure on. With so many, the standard error of an accuracy of 50 % is 2 points. */
const MOST_IMAGES = 512;
/** An accuracy counts as guessing up to so many standard deviations above chance. */
const GUESSING_DEVIATIONS = 1.5;
/** Another normalisation is proposed if its accuracy is so many standard deviations above chance. */
const BETTER_DEVIATIONS = 4;

/**
 * The accuracy of `network` on evenly spaced training images of `dataset`, in batches of `batch`. Rank 0 measures it
 * for all ranks.
 */
export async function measureInitialAccuracy(
  { host, cluster }: { readonly host: EngineHost; readonly cluster: Cluster },
  { network, dataset, batch }: { readonly network: Network; readonly dataset: Dataset; readonly batch: number },
): Promise<InitialAccuracy> {
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
      const measured = await accuracyOn(dataset, count, async (normalization) =>
        balancedAccuracy((await measureAccuracy(classifier, images, normalization)).classes),
      );
      return { ...measured, notices };
    } finally {
      await classifier.dispose();
    }
  });
}

/** Tries the common normalisations if the accuracy with the dataset's own is no better than guessing. */
async function accuracyOn(
  { classes, normalization, sampleShape }: Dataset,
  images: number,
  scored: (normalization: Normalization) => Promise<number>,
): Promise<Omit<InitialAccuracy, "notices">> {
  const { below, above } = guessing(classes.length, images);
  const accuracy = await scored(normalization);
  if (accuracy > below) return { accuracy, images };
  let best = { accuracy: above, flags: "" };
  for (const usual of commonNormalizations) {
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

/** Guessing among `classes` classes reaches at most `below` percent in most samples of `images`, and never `above`. */
function guessing(classes: number, images: number): { readonly below: number; readonly above: number } {
  const chance = 1 / classes;
  const deviation = Math.sqrt((chance * (1 - chance)) / images);
  return {
    below: 100 * (chance + GUESSING_DEVIATIONS * deviation),
    above: 100 * (chance + BETTER_DEVIATIONS * deviation),
  };
}
