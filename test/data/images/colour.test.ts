import { describe, expect, it } from "vitest";
import { RandomStream, streamOf } from "../../../src/core/random.ts";
import { meanColour, randomColour, writePixels } from "../../../src/data/images/colour.ts";
import { imageAugmentation } from "../../../src/data/images/open.ts";
import { randomBytes } from "../random-bytes.ts";

const normalization = { mean: [0.5, 0.4, 0.3], standardDeviation: [0.2, 0.25, 0.3] };
const [height, width] = [5, 7];
const pixels = Uint8Array.from(randomBytes("colour", height * width * 3));

type Pixel = readonly [number, number, number];
const greyOf = ([r, g, b]: Pixel): number => 0.299 * r + 0.587 * g + 0.114 * b;
const map = (pixel: Pixel, change: (value: number) => number): Pixel => [
  change(pixel[0]),
  change(pixel[1]),
  change(pixel[2]),
];

/** Applies one change after the other to the whole image, as transforms.lua of fb.resnet.torch does. */
function stepByStep(index: number, colour: number, noise: number): Pixel[] {
  let image = Array.from({ length: height * width }, (_, at): Pixel => {
    const [r = 0, g = 0, b = 0] = pixels.subarray(3 * at, 3 * at + 3);
    return [r / 255, g / 255, b / 255];
  });
  const random = new RandomStream(9, streamOf("colour"), 4, index);
  const order = random.permutation(3);
  const alphas = [0, 1, 2].map(() => 1 + colour * (2 * random.uniform() - 1));
  for (const kind of order) {
    const alpha = alphas[kind] ?? 1;
    if (kind === 0) image = image.map((pixel) => map(pixel, (value) => alpha * value));
    if (kind === 1) {
      const mean = image.reduce((sum, pixel) => sum + greyOf(pixel), 0) / image.length;
      image = image.map((pixel) => map(pixel, (value) => alpha * value + (1 - alpha) * mean));
    }
    if (kind === 2) {
      image = image.map((pixel) => map(pixel, (value) => alpha * value + (1 - alpha) * greyOf(pixel)));
    }
  }
  const [a, b, c] = [0.2175, 0.0188, 0.0045].map((scale) => noise * scale * random.normal());
  const shift: Pixel = [
    -0.5675 * (a ?? 0) + 0.7192 * (b ?? 0) + 0.4009 * (c ?? 0),
    -0.5808 * (a ?? 0) - 0.0045 * (b ?? 0) - 0.814 * (c ?? 0),
    -0.5836 * (a ?? 0) - 0.6948 * (b ?? 0) + 0.4203 * (c ?? 0),
  ];
  return image.map(([r, g, b]): Pixel => [r + shift[0], g + shift[1], b + shift[2]]);
}

describe("colour", () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7])("changes image %i in one pass as the separate changes do", (index) => {
    const output = new Float32Array(3 * height * width);
    const colour = randomColour(imageAugmentation, meanColour(pixels), 9, 4, index);
    writePixels(pixels, output, 0, [3, height, width], normalization, index % 2 === 1, colour);
    const expected = stepByStep(index, 0.4, 0.1);
    for (const [at, pixel] of expected.entries()) {
      const column = at % width;
      const place = index % 2 === 1 ? at - column + width - 1 - column : at;
      for (const [channel, value] of pixel.entries()) {
        const { mean, standardDeviation } = normalization;
        const normalised = (value - (mean[channel] ?? 0)) / (standardDeviation[channel] ?? 1);
        expect(Math.abs((output[channel * height * width + place] ?? Number.NaN) - normalised)).toBeLessThan(1e-4);
      }
    }
  });

  it("does not change without an augmentation", () => {
    const none = { ...imageAugmentation, colour: 0, noise: 0 };
    const { matrix, offset } = randomColour(none, meanColour(pixels), 1, 2, 3);
    for (const [at, value] of [1, 0, 0, 0, 1, 0, 0, 0, 1].entries()) expect(matrix[at]).toBeCloseTo(value, 12);
    for (const value of offset) expect(value).toBeCloseTo(0, 12);
  });

  it("writes one channel into its place in a batch", () => {
    const output = new Float32Array(12).fill(-1);
    const grey = { mean: [0.5], standardDeviation: [0.5] };
    writePixels(Uint8Array.of(0, 51, 102, 153, 204, 255), output, 3, [1, 2, 3], grey, true);
    const expected = [102, 51, 0, 255, 204, 153].map((pixel) => Math.fround(pixel / 127.5 - 1));
    expect([...output.subarray(3, 9)].map((value) => value.toFixed(5))).toEqual(
      expected.map((value) => value.toFixed(5)),
    );
    expect([...output.subarray(0, 3), ...output.subarray(9)]).toEqual(Array(6).fill(-1));
  });
});
