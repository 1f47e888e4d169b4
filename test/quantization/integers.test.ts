/** Scales and integers against values computed by hand, and ranges against a search of all of them. */
import { describe, expect, test } from "vitest";
import { tensor } from "../../src/core/tensor.ts";
import { quantizeBias, quantizeValues, quantizeWeights } from "../../src/quantization/integers.ts";
import { rangeOf } from "../../src/quantization/ranges.ts";

describe("values", () => {
  test.each([
    { range: [0, 5.1], scale: 0.02, zeroPoint: 0 },
    { range: [-1, 4.1], scale: 0.02, zeroPoint: 50 },
    { range: [-2.55, 0], scale: 0.01, zeroPoint: 255 },
    // A range that lacks zero is widened to it.
    { range: [1, 2.55], scale: 0.01, zeroPoint: 0 },
    { range: [0, 0], scale: 1, zeroPoint: 0 },
  ] as const)("of $range", ({ range, scale, zeroPoint }) => {
    const found = quantizeValues(range);
    expect(found.scale).toBeCloseTo(scale, 7);
    expect(found.scale).toBe(Math.fround(found.scale));
    expect(found.zeroPoint).toBe(zeroPoint);
  });
});

describe("weights", () => {
  const weights = tensor([2, 3], Float32Array.of(1.27, -0.5, 0, 0.0254, 0.0127, -0.0001));

  test("have a scale for each output channel", () => {
    const { scales, integers } = quantizeWeights(weights, { bias: undefined, sourceScale: 1, largest: 127 });
    expect([...integers]).toEqual([127, -50, 0, 127, 64, 0]);
    expect(scales[0]).toBeCloseTo(0.01, 7);
    expect(scales[1]).toBeCloseTo(0.0002, 9);
  });

  test("of 7 bits go to 63", () => {
    const { integers } = quantizeWeights(weights, { bias: undefined, sourceScale: 1, largest: 63 });
    expect([...integers].slice(0, 3)).toEqual([63, -25, 0]);
  });

  test("leave room for a bias that is large beside them", () => {
    const [small, bias] = [tensor([2, 1], Float32Array.of(1e-9, 0)), tensor([2], Float32Array.of(8, -3))];
    const { scales } = quantizeWeights(small, { bias, sourceScale: 1e-3, largest: 127 });
    const quantized = quantizeBias(bias, scales, 1e-3);
    for (const [row, value] of bias.data.entries()) {
      expect(Math.abs(quantized.integers[row] ?? 0)).toBeLessThan(2 ** 31);
      expect((quantized.integers[row] ?? 0) * (quantized.scales[row] ?? 0)).toBeCloseTo(value, 5);
    }
  });
});

test("a bias has the product of both scales", () => {
  const { scales, integers } = quantizeBias(tensor([2], Float32Array.of(1, -0.5)), Float32Array.of(0.5, 0.25), 0.25);
  expect([...scales]).toEqual([0.125, 0.0625]);
  expect([...integers]).toEqual([8, -8]);
});

describe("ranges", () => {
  /** `count` values in the first of ten parts of 0 … 10, `outliers` in the last. */
  const seen = (count: number, outliers: number): Parameters<typeof rangeOf>[0] => ({
    ...{ minimum: 0, maximum: 10, counts: Float64Array.of(count, 0, 0, 0, 0, 0, 0, 0, 0, outliers) },
  });

  test("min-max has all that was seen", () => {
    expect(rangeOf(seen(1e6, 1), "min-max")).toEqual([0, 10]);
  });

  test("a percentile leaves rare values out, and no others", () => {
    expect(rangeOf(seen(1e6, 50), "percentile")).toEqual([0, 1]);
    expect(rangeOf(seen(1e6, 200), "percentile")).toEqual([0, 10]);
  });

  test("the least squared error is the least of all ends", () => {
    const observed = seen(1e6, 40);
    const [low, high] = rangeOf(observed, "mean squared error");
    expect(low).toBe(0);
    const error = (end: number): number => 1e6 * ((end / 255) ** 2 / 12) + 40 * Math.max(0, 9.5 - end) ** 2;
    const ends = Array.from({ length: 8001 }, (_, index) => 2 + index / 1000);
    const least = Math.min(...ends.map(error));
    expect(error(high)).toBeLessThanOrEqual(1.05 * least);
    expect(high).toBeLessThan(10);
    expect(high).toBeGreaterThan(5);
  });

  test("a wide range with few values stays where clipping would cost more", () => {
    expect(rangeOf(seen(10, 10), "mean squared error")[1]).toBeGreaterThan(9.4);
  });
});
