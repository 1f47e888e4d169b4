import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AreaCrop } from "../../../src/data/dataset.ts";
import { imageAugmentation } from "../../../src/data/images/open.ts";
import { centreView, randomView } from "../../../src/data/images/view.ts";

const side = fc.integer({ min: 1, max: 3000 });

describe("randomView", () => {
  it("lies in the image, with an aspect in its range unless the image is narrower than that", () => {
    fc.assert(
      fc.property(side, side, fc.nat(), fc.nat(), (width, height, seed, index) => {
        const view = randomView({ width, height }, imageAugmentation, seed, 3, index);
        expect(view.left).toBeGreaterThanOrEqual(0);
        expect(view.top).toBeGreaterThanOrEqual(0);
        expect(view.left + view.width).toBeLessThanOrEqual(width + 1e-6);
        expect(view.top + view.height).toBeLessThanOrEqual(height + 1e-6);
        expect(view.width / view.height).toBeGreaterThan(0.75 - 1e-9);
        expect(view.width / view.height).toBeLessThan(4 / 3 + 1e-9);
      }),
    );
  });

  it("has uniform areas from 0.08 to 1 of a square, as many upright as lying ones, and mirrors half", () => {
    const views = Array.from({ length: 4000 }, (_, index) =>
      randomView({ width: 100, height: 100 }, { ...imageAugmentation, aspect: [1, 1] }, 1, 0, index),
    );
    const areas = views.map(({ width, height }) => (width * height) / 1e4).sort((a, b) => a - b);
    for (const quantile of [0.1, 0.5, 0.9]) {
      expect(Math.abs((areas[Math.floor(4000 * quantile)] ?? 0) - (0.08 + 0.92 * quantile))).toBeLessThan(0.03);
    }
    expect(Math.abs(views.filter(({ mirrored }) => mirrored).length - 2000)).toBeLessThan(130);
    const small: AreaCrop = { ...imageAugmentation, area: [0.1, 0.3] };
    const upright = Array.from({ length: 4000 }, (_, index) =>
      randomView({ width: 100, height: 100 }, small, 1, 0, index),
    ).filter(({ width, height }) => height > width);
    expect(Math.abs(upright.length - 2000)).toBeLessThan(130);
  });

  it("depends on seed, epoch and image, and keeps the crop when flips are off", () => {
    const size = { width: 120, height: 90 };
    const view = randomView(size, imageAugmentation, 1, 2, 3);
    expect(randomView(size, imageAugmentation, 1, 2, 3)).toEqual(view);
    for (const [seed, epoch, index] of [
      [2, 2, 3],
      [1, 3, 3],
      [1, 2, 4],
    ] as const) {
      expect(randomView(size, imageAugmentation, seed, epoch, index)).not.toEqual(view);
    }
    expect(randomView(size, { ...imageAugmentation, flip: false }, 1, 2, 3)).toEqual({ ...view, mirrored: false });
  });

  it("takes the middle of an image that no crop fits", () => {
    const view = randomView({ width: 1000, height: 10 }, imageAugmentation, 1, 0, 0);
    expect(view).toMatchObject({ top: 0, height: 10, left: (1000 - 40 / 3) / 2 });
  });
});

describe("centreView", () => {
  it("keeps seven eighths of the shorter side, as 224 of 256 pixels", () => {
    expect(centreView({ width: 500, height: 256 }, { width: 224, height: 224 }, 0.875)).toEqual({
      left: 138,
      top: 16,
      width: 224,
      height: 224,
      mirrored: false,
    });
  });
});
