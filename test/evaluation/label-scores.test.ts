/** Scores of sets of labels, against figures worked out by hand. */
import { describe, expect, it, test } from "vitest";
import { tensor } from "../../src/core/tensor.ts";
import { compareLabelSets } from "../../src/evaluation/compare-label-sets.ts";
import { f1Of, labelAccuracy, precisionOf } from "../../src/evaluation/label-scores.ts";

/** One class: outputs of images that have it (1) or not (0). */
function one(outputs: readonly number[], truth: readonly (0 | 1)[], threshold = 0.5) {
  const labels = Int32Array.from(truth);
  return labelAccuracy(tensor([outputs.length, 1], Float32Array.from(outputs)), labels, { sets: [[], [0]], threshold });
}

describe("average precision", () => {
  // The first is the example of scikit-learn's average_precision_score; the others are that sum by hand.
  it.each([
    [[0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 83.33333333333334],
    [[0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0], 83.33333333333333],
    [[0.5, 0.5, 0.5, 0.2], [1, 0, 0, 1], 41.66666666666667],
    [[0.3, 0.3], [0, 1], 50],
    [[1, 2, 3], [1, 0, 0], 33.33333333333333],
  ] as const)("of %j for %j", (outputs, truth, expected) => {
    expect(one(outputs, truth).accuracy).toBeCloseTo(expected, 9);
  });

  it("leaves out classes without images, and ranks NaN last", () => {
    const outputs = tensor([2, 2], Float32Array.of(0.9, 0.9, 0.2, 0.1));
    const scored = labelAccuracy(outputs, Int32Array.of(1, 0), { sets: [[], [0]], threshold: 0.5 });
    expect(scored.accuracy).toBe(100);
    expect(scored.labels.averagePrecision).toEqual([100, null]);
    expect(one([Number.NaN, 0.3], [0, 1]).accuracy).toBe(100);
    expect(one([Number.NaN, 0.3], [1, 0]).accuracy).toBe(50);
  });
});

test("precision, recall, F1 and exact matches by hand", () => {
  // Three images of two classes, at the threshold 0: answers {0}, {0,1}, {}; labels {0}, {1}, {}.
  const outputs = tensor([3, 2], Float32Array.of(2, -1, 1, 3, -2, 0));
  const scored = labelAccuracy(outputs, Int32Array.of(1, 2, 0), { sets: [[], [0], [1]], threshold: 0 });
  expect(scored).toMatchObject({ correct: 2, images: 3 });
  expect(scored.classes).toEqual([
    { images: 1, correct: 1, answers: 2 },
    { images: 1, correct: 1, answers: 1 },
  ]);
  expect(scored.labels.exactMatch).toBeCloseTo(200 / 3, 9);
  expect(scored.labels.f1).toBeCloseTo((200 / 3 + 100) / 2, 9);
  const [first = { images: 0, correct: 0, answers: 0 }] = scored.classes;
  expect([precisionOf(first), f1Of(first)]).toEqual([50, 200 / 3]);
  expect(precisionOf({ images: 3, correct: 0, answers: 0 })).toBeNull();
  expect(f1Of({ images: 0, correct: 0, answers: 0 })).toBe(0);
});

describe("answers of two networks", () => {
  const rows = (...values: readonly number[]) => tensor([values.length / 2, 2], Float32Array.from(values));

  it("are the same sets, whatever the numbers", () => {
    expect(compareLabelSets(rows(1, -1, 2, 3), rows(9, -2, 1, 1), 0)).toMatchObject({
      ...{ images: 2, sameAnswers: 2, ties: 0, otherAnswers: 0 },
      ...{ largestDifference: 8, relativeDifference: 2, worstImage: 0 },
    });
  });

  it("differ if one label does, though the likeliest is the same", () => {
    const compared = compareLabelSets(rows(3, 0.4, 3, -1), rows(3, 0.6, 3, -1), 0.5);
    expect(compared).toMatchObject({ sameAnswers: 1, otherAnswers: 1, worstImage: 0 });
  });

  it("differ by a tie where an output is exactly the threshold, and never agree on NaN", () => {
    expect(compareLabelSets(rows(0, 1), rows(1e-9, 1), 0)).toMatchObject({ ties: 1, otherAnswers: 0 });
    expect(compareLabelSets(rows(0, 1), rows(Number.NaN, 1), 0)).toMatchObject({ ties: 0, otherAnswers: 1 });
    expect(compareLabelSets(rows(Number.NaN, 1), rows(Number.NaN, 1), 0)).toMatchObject({ otherAnswers: 1 });
  });
});
