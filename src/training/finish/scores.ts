/** Scores the compact network on all test images, and puts the scores of both networks into the form of the events. */
import { required } from "../../core/errors.ts";
import type { Dataset } from "../../data/dataset.ts";
import { type Accuracy, measureAccuracy } from "../../evaluation/accuracy.ts";
import { AgreementSums, addAgreement } from "../../evaluation/agreement.ts";
import { type Answers, answersOf, engineClassifier } from "../../evaluation/classifier.ts";
import type { LabelReading } from "../../evaluation/label-scores.ts";
import { averagingViews, type ViewSet } from "../../evaluation/test-time-augmentation.ts";
import { inTwoClasses } from "../../evaluation/two-classes.ts";
import { cost } from "../../graph/cost.ts";
import type { Network } from "../../graph/graph.ts";
import type { EventBody, NetworkSummary } from "../events/events.ts";
import { detailsOf, type Score, scoreOf } from "../progress/score.ts";
import type { Session } from "../session/session.ts";
import { trainImagesOf } from "../start/data/class-balance.ts";
import { labelFigures } from "./figures.ts";

/** The logits of `network` for all test images; with test-time augmentation also the accuracy over its views. */
export async function answersOnTest(
  { host, evaluationBatch, dataset, settings }: Session,
  network: Network,
  reading: LabelReading | undefined,
): Promise<{ readonly answers: Answers; readonly augmented?: Accuracy }> {
  const { test, normalization } = dataset;
  const { testTimeAugmentation: views } = settings;
  const plain = await engineClassifier(host, network, evaluationBatch);
  const classifier = reading === undefined ? inTwoClasses(plain, network.graph) : plain;
  try {
    const answers = await answersOf(classifier, test, normalization);
    if (views === undefined) return { answers };
    return {
      answers,
      augmented: await measureAccuracy(averagingViews(classifier, views), test, normalization, reading),
    };
  } finally {
    await classifier.dispose();
  }
}

/** How well `network` agrees with the original on all test images. */
export async function agreementOnTest(session: Session, network: Network): Promise<Score> {
  const { host, evaluationBatch, dataset, teaching } = session;
  const classifier = await engineClassifier(host, network, evaluationBatch);
  try {
    const sums = new AgreementSums(required(teaching, "the original").outputs);
    const pair = { own: classifier, taught: required(teaching, "the original").classifier };
    await addAgreement(sums, pair, dataset.test, dataset.normalization);
    return scoreOf(sums.result());
  } finally {
    await classifier.dispose();
  }
}

/** The event about right answers by class. */
export function classResultsOf(dataset: Dataset, before: Accuracy, after: Accuracy): EventBody {
  const { classes } = dataset;
  const trainImages = trainImagesOf(dataset);
  return {
    type: "classes",
    classes: classes.map((name, label) => ({
      name,
      trainImages: trainImages[label] ?? 0,
      images: before.classes[label]?.images ?? 0,
      before: before.classes[label]?.correct ?? 0,
      after: after.classes[label]?.correct ?? 0,
      ...labelFigures(before, after, label),
    })),
  };
}

/** What was measured of one network. */
export interface Measured {
  readonly score: Score;
  /** The accuracy averaged over `views` of each image, if the settings ask for it. */
  readonly augmented: Accuracy | undefined;
  readonly views: ViewSet | undefined;
  /** Size of its file. */
  readonly bytes: number;
  /** Undefined if it was not measured. */
  readonly latencyMilliseconds: number | undefined;
}

export function summaryOf(
  { graph }: Network,
  { score, augmented, views, bytes, latencyMilliseconds }: Measured,
): NetworkSummary {
  const isAugmented = views !== undefined && augmented !== undefined;
  return {
    accuracy: score.accuracy,
    ...detailsOf(score),
    ...(isAugmented ? { augmented: { views, accuracy: augmented.accuracy } } : {}),
    ...cost(graph),
    bytes,
    latencyMilliseconds: latencyMilliseconds ?? null,
  };
}
