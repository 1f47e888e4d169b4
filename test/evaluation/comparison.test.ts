import { expect, test } from "vitest";
import { tensor } from "../../src/core/tensor.ts";
import { compareLogits } from "../../src/evaluation/comparison.ts";

function logits(...rows: number[][]) {
  return tensor([rows.length, rows[0]?.length ?? 0], Float32Array.from(rows.flat()));
}

test("the largest difference, absolute and relative to the original's range, and where it is", () => {
  const result = compareLogits(logits([0, 4], [-4, 1], [2, 1]), logits([0, 4], [-4, 1.5], [2, 1.25]));
  expect(result).toEqual({
    images: 3,
    largestDifference: 0.5,
    relativeDifference: 0.0625,
    sameAnswers: 3,
    ties: 0,
    otherAnswers: 0,
    worstImage: 1,
  });
});

test("different answers count unless two logits are equal bit for bit", () => {
  const original = logits([1, 2], [3, 3], [1, 2], [1, 2]);
  const other = logits([2, 1], [2.5, 3], [2, 2], [1, 2]);
  expect(compareLogits(original, other)).toMatchObject({ sameAnswers: 1, ties: 2, otherAnswers: 1, worstImage: 0 });
});

test("the worst image is one whose answer differs, before one with a larger difference", () => {
  const result = compareLogits(logits([0, 9], [1, 1.1]), logits([0, 8], [1.1, 1]));
  expect(result).toMatchObject({ otherAnswers: 1, worstImage: 1 });
});

test("a NaN equals no logit, and the result is still JSON", () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const result of [
      compareLogits(logits([0, 1]), logits([0, bad])),
      compareLogits(logits([0, bad]), logits([0, 1])),
    ]) {
      expect(result.relativeDifference).toBe(Number.MAX_VALUE);
      expect(JSON.parse(JSON.stringify(result))).toEqual(result);
    }
  }
});

test("constant logits are compared as they are", () => {
  expect(compareLogits(logits([2, 2]), logits([2, 2])).relativeDifference).toBe(0);
  expect(compareLogits(logits([2, 2]), logits([2, 2.5])).relativeDifference).toBe(0.5);
});
