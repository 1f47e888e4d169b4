import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nearestSum } from "../../src/core/subset-sum.ts";

describe("nearestSum", () => {
  it("is as near as the nearest of all subsets", () => {
    const parts = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(parts, fc.integer({ min: 0, max: 100 }), (numbers, goal) => {
        const sums = Array.from({ length: 2 ** numbers.length }, (_, subset) =>
          numbers.reduce((sum, number, at) => sum + ((subset >> at) & 1) * number, 0),
        );
        const nearest = Math.min(...sums.map((sum) => Math.abs(sum - goal)));
        expect(Math.abs(nearestSum(numbers, goal, 1) - goal)).toBe(nearest);
      }),
    );
  });

  it("rounds to the nearest step", () => {
    expect(nearestSum([0.24, 0.35], 0.6, 100)).toBeCloseTo(0.59, 10);
    expect(nearestSum([0.24, 0.35], 0.3, 100)).toBeCloseTo(0.35, 10);
    expect(nearestSum([], 0.3, 100)).toBe(0);
    expect(nearestSum([0.5], -0.1, 100)).toBe(0);
  });
});
