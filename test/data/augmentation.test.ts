import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  normalizationTable,
  type Placement,
  placementOf,
  resolveAugmentation,
  writeAugmented,
  writeNormalized,
} from "../../src/data/augmentation.ts";
import { type SampleShape, sampleSize } from "../../src/data/dataset.ts";
import { imageAugmentation } from "../../src/data/images/open.ts";
import { randomView } from "../../src/data/images/view.ts";
import { randomBytes } from "./random-bytes.ts";
import { userError } from "./support.ts";

/** The definition, one value at a time: pad, crop, mirror and normalise. */
function slowly(
  image: Uint8Array,
  [channels, height, width]: SampleShape,
  mean: readonly number[],
  deviation: readonly number[],
  pad: number,
  { top, left, mirrored }: Placement,
  border: "black" | "reflect" = "black",
): Float32Array {
  const result = new Float32Array(channels * height * width);
  for (let c = 0; c < channels; c++) {
    const padded = (y: number, x: number): number => {
      // As numpy.pad(mode="reflect"): 2 1 | 0 1 2 3 | 2 1.
      const bounce = (at: number, length: number): number =>
        border === "black" || length === 1 ? at : length - 1 - Math.abs(length - 1 - Math.abs(at));
      const row = bounce(y - pad, height);
      const column = bounce(x - pad, width);
      const isInside = row >= 0 && row < height && column >= 0 && column < width;
      return isInside ? (image[(c * height + row) * width + column] ?? Number.NaN) : 0;
    };
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const pixel = padded(top + y, left + (mirrored ? width - 1 - x : x));
        result[(c * height + y) * width + x] = (pixel / 255 - (mean[c] ?? 0)) / (deviation[c] ?? 1);
      }
    }
  }
  return result;
}

const mean = [0.4914, 0.4822, 0.4465];
const standardDeviation = [0.247, 0.2435, 0.2616];

describe("writeAugmented", () => {
  it("agrees with the definition of pad, crop, flip and normalise", () => {
    const cases = fc.record({
      channels: fc.integer({ min: 1, max: 3 }),
      height: fc.integer({ min: 1, max: 9 }),
      width: fc.integer({ min: 1, max: 9 }),
      pad: fc.integer({ min: 0, max: 4 }),
      top: fc.nat(),
      left: fc.nat(),
      mirrored: fc.boolean(),
      border: fc.constantFrom("black" as const, "reflect" as const),
    });
    fc.assert(
      fc.property(cases, ({ channels, height, width, pad: wanted, top, left, mirrored, border }) => {
        const pad = Math.min(wanted, height - (border === "black" ? 0 : 1), width - (border === "black" ? 0 : 1));
        const shape: SampleShape = [channels, height, width];
        const placement = { top: top % (2 * pad + 1), left: left % (2 * pad + 1), mirrored };
        const normalization = {
          mean: mean.slice(0, channels),
          standardDeviation: standardDeviation.slice(0, channels),
        };
        const size = sampleSize(shape);
        const images = randomBytes("augmented", 3 * size);
        const output = new Float32Array(2 * size).fill(9);
        const table = normalizationTable(normalization, channels);
        writeAugmented(images, 2, output, size, shape, table, { pad, border }, placement);
        const expected = slowly(
          images.subarray(2 * size),
          shape,
          normalization.mean,
          normalization.standardDeviation,
          pad,
          placement,
          border,
        );
        expect(output.subarray(size)).toEqual(expected);
        expect(output.subarray(0, size).every((value) => value === 9)).toBe(true);
      }),
    );
  });

  it("only normalises the image without crop and flip", () => {
    const shape: SampleShape = [3, 4, 5];
    const images = randomBytes("still", 60);
    const table = normalizationTable({ mean, standardDeviation }, 3);
    const crop = new Float32Array(60);
    const plain = new Float32Array(60);
    writeAugmented(images, 0, crop, 0, shape, table, { pad: 2 }, { top: 2, left: 2, mirrored: false });
    writeNormalized(images, 0, plain, 0, shape, table);
    expect(crop).toEqual(plain);
    expect(plain[20]).toBeCloseTo(((images[20] ?? 0) / 255 - 0.4822) / 0.2435, 5);
  });
});

describe("placementOf", () => {
  const augmentation = { pad: 4, flip: true };

  it("is a function of (seed, epoch, image)", () => {
    const place = (seed: number, epoch: number, image: number): Placement =>
      placementOf(augmentation, seed, epoch, image);
    expect(place(1, 2, 3)).toEqual(place(1, 2, 3));
    const many = (pick: (index: number) => Placement): string =>
      JSON.stringify(Array.from({ length: 20 }, (_, index) => pick(index)));
    const base = many((index) => place(1, 2, index));
    expect(many((index) => place(2, 2, index))).not.toBe(base);
    expect(many((index) => place(1, 3, index))).not.toBe(base);
    expect(many((index) => place(1, 2, index + 20))).not.toBe(base);
  });

  it("takes every offset equally often, and mirrors half", () => {
    const offsets = new Array<number>(81).fill(0);
    let mirrored = 0;
    const draws = 81 * 400;
    for (let image = 0; image < draws; image++) {
      const placement = placementOf(augmentation, 0, 0, image);
      const cell = placement.top * 9 + placement.left;
      offsets[cell] = (offsets[cell] ?? 0) + 1;
      if (placement.mirrored) mirrored++;
    }
    // The standard deviation is about 20 around a mean of 400.
    for (const count of offsets) expect(Math.abs(count - 400)).toBeLessThan(100);
    expect(Math.abs(mirrored / draws - 0.5)).toBeLessThan(0.015);
  });

  it("never mirrors if flips are off, and keeps the crop", () => {
    for (let image = 0; image < 50; image++) {
      const placement = placementOf({ pad: 4, flip: false }, 0, 0, image);
      expect(placement).toEqual({ ...placementOf(augmentation, 0, 0, image), mirrored: false });
    }
  });
});

describe("an alternating flip", () => {
  const flips = (epoch: number, seed = 5): boolean[] =>
    Array.from({ length: 400 }, (_, image) => {
      return placementOf({ pad: 2, flip: "alternating" }, seed, epoch, image).mirrored;
    });

  it("mirrors each image in every other epoch, half of them in the first", () => {
    const first = flips(0);
    for (const epoch of [1, 3, 9]) expect(flips(epoch)).toEqual(first.map((mirrored) => !mirrored));
    for (const epoch of [2, 4, 10]) expect(flips(epoch)).toEqual(first);
    expect(Math.abs(first.filter(Boolean).length - 200)).toBeLessThan(50);
    expect(flips(0, 6)).not.toEqual(first);
  });

  it("leaves the crops as they are", () => {
    for (let image = 0; image < 50; image++) {
      const { mirrored: _, ...place } = placementOf({ pad: 4, flip: "alternating" }, 1, 2, image);
      const { mirrored: __, ...usual } = placementOf({ pad: 4, flip: true }, 1, 2, image);
      expect(place).toEqual(usual);
    }
  });

  it("is one of image files too", () => {
    const mirrored = (epoch: number, image: number): boolean => {
      const crop = { ...imageAugmentation, flip: "alternating" } as const;
      return randomView({ width: 40, height: 30 }, crop, 3, epoch, image).mirrored;
    };
    for (let image = 0; image < 20; image++) {
      expect(mirrored(1, image)).toBe(!mirrored(0, image));
      expect(mirrored(2, image)).toBe(mirrored(0, image));
    }
  });
});

describe("resolveAugmentation", () => {
  const standard = { pad: 4, flip: true };

  it("changes what is given of the dataset's own", () => {
    const split = { sampleShape: [3, 32, 32] } as const;
    expect(resolveAugmentation({ flip: "alternating" }, standard, split)).toEqual({ pad: 4, flip: "alternating" });
    expect(resolveAugmentation({ flip: "none" }, standard, split)).toEqual({ pad: 4, flip: false });
    expect(resolveAugmentation({ flip: "random" }, { pad: 1, flip: false }, split)).toEqual({ pad: 1, flip: true });
    expect(resolveAugmentation({ pad: 2, border: "reflect" }, standard, split)).toEqual({
      pad: 2,
      flip: true,
      border: "reflect",
    });
    const files = { sampleShape: split.sampleShape, files: [] };
    expect(resolveAugmentation({ flip: "alternating" }, imageAugmentation, files)).toEqual({
      ...imageAugmentation,
      flip: "alternating",
    });
  });

  it("refuses what is for the other kind of images", () => {
    const files = { sampleShape: [3, 32, 32] as const, files: [] };
    const stored = { sampleShape: [3, 32, 32] as const };
    expect(() => resolveAugmentation({ border: "reflect" }, imageAugmentation, files)).toThrow(/another kind/);
    expect(() => resolveAugmentation({ colour: 0 }, standard, stored)).toThrow(/another kind/);
    expect(() => resolveAugmentation({ flip: true }, imageAugmentation, stored)).toThrow(/another kind/);
  });

  it("refuses to reflect more than an image has", () => {
    const reflect = { pad: 8, border: "reflect" } as const;
    expect(() => resolveAugmentation(reflect, standard, { sampleShape: [3, 8, 9] })).toThrow(/from 0 to 7, got 8/);
  });

  it("accepts true, false and an augmentation", () => {
    expect(resolveAugmentation(true, standard, { sampleShape: [3, 32, 32] })).toEqual(standard);
    expect(resolveAugmentation(false, standard, { sampleShape: [3, 32, 32] })).toEqual({ pad: 0, flip: false });
    expect(resolveAugmentation({ pad: 1, flip: false }, standard, { sampleShape: [3, 32, 32] })).toEqual({
      pad: 1,
      flip: false,
    });
  });

  it.each([-1, 1.5, 9, Number.NaN])("refuses a padding of %s for 8 × 8 images", async (pad) => {
    const error = await userError(
      () => resolveAugmentation({ pad, flip: true }, standard, { sampleShape: [3, 8, 8] }),
      "bad-option",
    );
    expect(error.message).toContain(`from 0 to 8, got ${pad}`);
  });
});

describe("normalizationTable", () => {
  it("refuses constants that do not fit the channels", async () => {
    await userError(() => normalizationTable({ mean: [0.5], standardDeviation: [0.5] }, 3), "bad-option");
    await userError(() => normalizationTable({ mean: [0.5], standardDeviation: [0] }, 1), "bad-option");
    await userError(() => normalizationTable({ mean: [Number.NaN], standardDeviation: [1] }, 1), "bad-option");
  });
});
