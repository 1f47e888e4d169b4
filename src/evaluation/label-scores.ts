/** Scores of networks whose images may have several labels: average precision, and right sets of labels. */
import type { Tensor } from "../core/tensor.ts";
import type { Dataset } from "../data/dataset.ts";
import type { LabelSets } from "../data/label-sets.ts";
import type { Graph } from "../graph/graph.ts";
import { lastSigmoid } from "../graph/logits.ts";
import type { ClassTally } from "./class-tally.ts";

/** How the outputs of a network are read as sets of labels. */
export interface LabelReading {
  /** The sets that the numbers of a split's labels stand for. */
  readonly sets: LabelSets;
  /** A class whose output is above it is an answer. */
  readonly threshold: number;
}

/** How the outputs of `graph` are read for the dataset; undefined if its images have one label each. */
export function labelReadingOf({ labelSets }: Pick<Dataset, "labelSets">, graph: Graph): LabelReading | undefined {
  return labelSets === undefined ? undefined : { sets: labelSets, threshold: answerThreshold(graph) };
}

/** The output above which a class is an answer: a probability of a half, or the logit of it. */
export function answerThreshold(graph: Graph): number {
  return lastSigmoid(graph) === undefined ? 0 : 0.5;
}

/** Scores over all classes, in percent. */
export interface LabelScores {
  /** Images whose answers are all of their labels and no others. */
  readonly exactMatch: number;
  /** The mean F1 of the classes that have images. */
  readonly f1: number;
  /** Average precision by class; null for a class without images. */
  readonly averagePrecision: readonly (number | null)[];
}

export interface LabelAccuracy {
  /** Mean average precision of the classes that have images, in percent. */
  readonly accuracy: number;
  /** Images with the right set of labels. */
  readonly correct: number;
  readonly images: number;
  /** By class: images that have it, those that were recognised, and images that were answered with it. */
  readonly classes: readonly ClassTally[];
  readonly labels: LabelScores;
}

/** Scores `outputs` [images, classes] against the sets of the images' `labels`. An output of NaN is no answer. */
export function labelAccuracy(outputs: Tensor, labels: Int32Array, { sets, threshold }: LabelReading): LabelAccuracy {
  const [images = 0, classes = 0] = outputs.shape;
  const truth = new Uint8Array(images * classes);
  for (const [image, label] of labels.entries()) for (const one of sets[label] ?? []) truth[image * classes + one] = 1;
  let correct = 0;
  for (let image = 0; image < images; image++) {
    const row = outputs.data.subarray(image * classes, (image + 1) * classes);
    if (row.every((value, one) => value > threshold === (truth[image * classes + one] === 1))) correct++;
  }
  const columns = Array.from({ length: classes }, (_, one) => ({
    values: Array.from({ length: images }, (__, image) => outputs.data[image * classes + one] ?? Number.NaN),
    truth: Array.from({ length: images }, (__, image) => truth[image * classes + one] === 1),
  }));
  const tallies = columns.map((column) => tallyOf(column, threshold));
  const precisions = columns.map(averagePrecision);
  const present = tallies.filter((tally) => tally.images > 0);
  const known = precisions.filter((precision) => precision !== null);
  return {
    accuracy: mean(known),
    ...{ correct, images, classes: tallies },
    labels: {
      exactMatch: (100 * correct) / Math.max(1, images),
      f1: mean(present.map(f1Of)),
      averagePrecision: precisions,
    },
  };
}

interface Column {
  readonly values: readonly number[];
  readonly truth: readonly boolean[];
}

function tallyOf({ values, truth }: Column, threshold: number): ClassTally {
  const answered = values.map((value) => value > threshold);
  return {
    images: truth.filter(Boolean).length,
    correct: truth.filter((has, image) => has && answered[image] === true).length,
    answers: answered.filter(Boolean).length,
  };
}

/**
 * Average precision in percent: the sum over the distinct outputs, from the highest down, of precision times the gain
 * of recall. Null without images that have the class.
 */
function averagePrecision({ values, truth }: Column): number | null {
  const all = truth.filter(Boolean).length;
  if (all === 0) return null;
  const ranked = values.map((value, image) => ({
    value: Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value,
    isTrue: truth[image] === true,
  }));
  ranked.sort((a, b) => (a.value === b.value ? 0 : b.value - a.value));
  let [found, counted, sum] = [0, 0, 0];
  for (const [place, { value, isTrue }] of ranked.entries()) {
    if (isTrue) found++;
    // Images with equal outputs have no order among them.
    if (ranked[place + 1]?.value === value) continue;
    sum += ((found - counted) / all) * (found / (place + 1));
    counted = found;
  }
  return 100 * sum;
}

/** Of the answers with a class, those that are right, in percent; null without answers. */
export function precisionOf({ correct, answers }: ClassTally): number | null {
  return answers === 0 ? null : (100 * correct) / answers;
}

/** The harmonic mean of precision and recall, in percent; 0 if none is right. */
export function f1Of({ images, correct, answers }: ClassTally): number {
  return images + answers === 0 ? 0 : (200 * correct) / (images + answers);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
