/** The confusion matrix of a network, and its worst mistakes. */

import { UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import type { Normalization, SampleShape, Split } from "../data/dataset.ts";
import { evaluationBatches } from "../data/evaluation-batches.ts";
import type { Accuracy } from "./accuracy.ts";
import { answerOf, type Classifier, rowOf } from "./classifier.ts";

/** An image that was classified wrongly. */
export interface WorstImage {
  /** Index in the split. */
  readonly index: number;
  /** Path of its file, if it is in a file. */
  readonly path?: string;
  readonly label: number;
  readonly answer: number;
  /** Probabilities of the answer and of the label, 0 … 1. */
  readonly answerProbability: number;
  readonly labelProbability: number;
  /** The network's input as 8-bit pixels [C,H,W]. */
  readonly pixels: Uint8Array;
}

export interface Confusion extends Omit<Accuracy, "classes"> {
  /** Row: the label, column: the answer. */
  readonly counts: readonly (readonly number[])[];
  /** Images without an answer because a logit was NaN. */
  readonly unanswered: number;
  /** Mean cross-entropy. */
  readonly loss: number;
  readonly sampleShape: SampleShape;
  /** Wrong answers, the lowest probability of the label first. */
  readonly worst: readonly WorstImage[];
}

export interface ConfusionOptions {
  /** Number of worst images to keep; default 24. */
  readonly worst?: number;
  /** Called with the number of images so far. */
  readonly onProgress?: (images: number) => void;
}

/**
 * Measures the confusion matrix of `classifier` on all readable images of `split`. Throws `UserError("bad-option")` if
 * the split is empty or has labels without a logit.
 */
export async function measureConfusion(
  classifier: Classifier,
  split: Split,
  normalization: Normalization,
  { worst: kept = 24, onProgress = () => {} }: ConfusionOptions = {},
): Promise<Confusion> {
  if (split.count === 0)
    throw new UserError("bad-option", "there are no images to measure accuracy on", {
      hint: "Give a dataset with test images",
    });
  const worst: WorstImage[] = [];
  let counts: number[][] = [];
  let [images, correct, unanswered, loss] = [0, 0, 0, 0];
  for await (const batch of evaluationBatches(split, normalization, classifier.batch)) {
    const logits = await classifier.logits(batch.images, batch.inputs);
    const [, classes = 0] = logits.shape;
    if (counts.length === 0) counts = Array.from({ length: classes }, () => Array<number>(classes).fill(0));
    for (let row = 0; row < batch.count; row++) {
      const label = batch.labels.data[row] ?? 0;
      if (label >= classes) throw tooManyClasses(classes, label);
      const answer = answerOf(logits, row);
      images++;
      const counted = counts[label];
      if (answer < 0 || counted === undefined) {
        unanswered++;
        continue;
      }
      counted[answer] = (counted[answer] ?? 0) + 1;
      const logProbabilities = logSoftmax(rowOf(logits, row));
      const own = logProbabilities[label] ?? 0;
      loss -= own;
      if (answer === label) {
        correct++;
        continue;
      }
      const labelProbability = Math.exp(own);
      const last = worst[kept - 1];
      if (last !== undefined && last.labelProbability <= labelProbability) continue;
      const index = batch.places[row] ?? 0;
      const path = "files" in split ? split.files[index]?.path : undefined;
      worst.push({
        ...{ index, label, answer, labelProbability, ...optional({ path }) },
        answerProbability: Math.exp(logProbabilities[answer] ?? 0),
        pixels: pixelsOf(rowOfImages(batch.images.data, row, split.sampleShape), split.sampleShape, normalization),
      });
      worst.sort((a, b) => a.labelProbability - b.labelProbability || a.index - b.index);
      worst.length = Math.min(worst.length, kept);
    }
    onProgress(images);
  }
  return {
    ...{ accuracy: (100 * correct) / images, correct, images, counts, unanswered, worst },
    loss: loss / Math.max(1, images - unanswered),
    sampleShape: split.sampleShape,
  };
}

/** How often images of class `label` were classified as `answer`. */
export interface Mistake {
  readonly label: number;
  readonly answer: number;
  readonly count: number;
}

/** All mistakes, the most frequent first. */
export function mistakesOf({ counts }: Pick<Confusion, "counts">): readonly Mistake[] {
  return counts
    .flatMap((row, label) => row.map((count, answer) => ({ label, answer, count })))
    .filter(({ label, answer, count }) => label !== answer && count > 0)
    .sort((a, b) => b.count - a.count || a.label - b.label || a.answer - b.answer);
}

/** Numbers of one class: its images, those classified correctly, and all images classified as it. */
export interface ClassResult {
  readonly label: number;
  readonly images: number;
  readonly correct: number;
  readonly answers: number;
}

export function classResults({ counts }: Pick<Confusion, "counts">): readonly ClassResult[] {
  return counts.map((row, label) => ({
    label,
    images: row.reduce((sum, count) => sum + count, 0),
    correct: row[label] ?? 0,
    answers: counts.reduce((sum, other) => sum + (other[label] ?? 0), 0),
  }));
}

/** Logarithms of the probabilities of one image. */
export function logSoftmax(logits: Float32Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return Float64Array.from(logits, (logit) => logit - largest - Math.log(sum));
}

function rowOfImages(data: Float32Array, row: number, [channels, height, width]: SampleShape): Float32Array {
  const size = channels * height * width;
  return data.subarray(row * size, (row + 1) * size);
}

/** Normalised values as 8-bit pixels. */
function pixelsOf(values: Float32Array, [, height, width]: SampleShape, normalization: Normalization): Uint8Array {
  const { mean, standardDeviation } = normalization;
  const plane = height * width;
  return Uint8Array.from(values, (value, at) => {
    const channel = Math.floor(at / plane);
    const pixel = 255 * (value * (standardDeviation[channel] ?? 1) + (mean[channel] ?? 0));
    return Math.min(255, Math.max(0, Math.round(pixel)));
  });
}

function tooManyClasses(classes: number, label: number): UserError {
  return new UserError("bad-option", "the images have more classes than the network", {
    expected: `at most ${classes}`,
    received: `a label of ${label}`,
    hint: "Choose the data that the network was trained for",
  });
}
