/** Scores a network in training: its accuracy, or its agreement with the original that it is taught by. */
import type { Split } from "../../data/dataset.ts";
import type { Accuracy } from "../../evaluation/accuracy.ts";
import { type Agreement, meanAgreement } from "../../evaluation/agreement.ts";
import { balancedAccuracy } from "../../evaluation/class-tally.ts";
import { labelReadingOf } from "../../evaluation/label-scores.ts";
import { averagingViews, type ViewSet } from "../../evaluation/test-time-augmentation.ts";
import type { NetworkSummary } from "../events/events.ts";
import { sharedAgreement } from "../network/teaching.ts";
import { sharedAccuracy } from "../ranks/accuracy.ts";
import type { Session } from "../session/session.ts";

/** A score of a network: its accuracy, or if it is taught outputs, how well it agrees with the original. */
export interface Score extends Accuracy {
  readonly agreement?: Agreement;
}

/** The score of the network with its current weights; `views`: averaged over these views of each image. */
export async function score(
  { network, dataset, cluster, teaching }: Session,
  split: Split,
  views?: ViewSet,
): Promise<Score> {
  const classifier = await network.classifier();
  const used = views === undefined ? classifier : averagingViews(classifier, views);
  const reading = labelReadingOf(dataset, network.graph);
  if (teaching === undefined) return sharedAccuracy(used, split, dataset, cluster, reading);
  return scoreOf(await sharedAgreement(teaching, classifier, split, dataset, cluster));
}

/** What an event says of a score beside the accuracy. */
type Details = Pick<NetworkSummary, "balancedAccuracy" | "outputs" | "labels">;

/** Beside the accuracy: that of the mean class, the scores of sets of labels, or the agreement of each output. */
export function detailsOf({
  classes,
  agreement,
  labels,
}: Pick<Score, "classes" | "labels"> & { readonly agreement?: Pick<Agreement, "outputs"> }): Details {
  if (labels !== undefined) return { labels: { exactMatch: labels.exactMatch, f1: labels.f1 } };
  return agreement === undefined ? { balancedAccuracy: balancedAccuracy(classes) } : { outputs: agreement.outputs };
}

/** The mean agreement in the place of the accuracy. */
export function scoreOf(agreement: Agreement): Score {
  const accuracy = meanAgreement(agreement);
  return { accuracy, correct: (agreement.images * accuracy) / 100, images: agreement.images, classes: [], agreement };
}
