/**
 * Random crop, horizontal flip and normalisation of stored images, from 8-bit pixels to network input in one pass.
 *
 * The augmentation of image i in epoch e depends on (seed, e, i) alone, never on the batch, the step or the worker. A
 * resumed run therefore sees the same pixels. The image is padded with black before it is normalised.
 */
import { UserError } from "../core/errors.ts";
import { RandomStream, streamOf } from "../core/random.ts";
import {
  type Augmentation,
  type Normalization,
  type PaddedCrop,
  type SampleShape,
  type Split,
  sampleSize,
} from "./dataset.ts";

/** Where the crop starts, in pixels from the corner of the padded image, and whether the image is mirrored. */
export interface Placement {
  readonly top: number;
  readonly left: number;
  readonly mirrored: boolean;
}

const augmentationStream = streamOf("augmentation");

/**
 * The augmentation that the option `augment` selects for the images of `split`: true selects the dataset's own, false
 * none.
 * @throws UserError "bad-option" if `augment` is for the other kind of images, or a number in it is out of range.
 */
export function resolveAugmentation(
  augment: boolean | Augmentation,
  standard: Augmentation,
  split: Pick<Split, "sampleShape">,
): Augmentation {
  // A crop without padding changes nothing. Image files get the centre crop then, as in testing.
  if (augment === false) return { pad: 0, flip: false };
  const chosen = augment === true ? standard : augment;
  if ("files" in split) checkAreaCrop(chosen);
  else checkPaddedCrop(chosen, split.sampleShape);
  return chosen;
}

function checkPaddedCrop(chosen: Augmentation, [, height, width]: SampleShape): void {
  const largest = Math.min(height, width);
  if (!("pad" in chosen)) throw otherKind("pad and flip");
  if (Number.isInteger(chosen.pad) && chosen.pad >= 0 && chosen.pad <= largest) return;
  throw new UserError("bad-option", "the padding of the random crop is too large for the images", {
    about: "augment.pad",
    expected: `a whole number from 0 to ${largest}`,
    received: String(chosen.pad),
    hint: "Choose a smaller padding; 4 is usual for images of 32 × 32",
  });
}

function checkAreaCrop(chosen: Augmentation): void {
  if ("pad" in chosen) {
    // The result for "no augmentation" may be resolved again.
    if (chosen.pad === 0 && !chosen.flip) return;
    throw otherKind("area, aspect, flip, colour and noise");
  }
  const { area, aspect, colour, noise } = chosen;
  const isRange = ([least, most]: readonly [number, number]): boolean => least > 0 && least <= most;
  const fits = isRange(area) && area[1] <= 1 && isRange(aspect) && aspect[1] < Infinity;
  if (fits && colour >= 0 && colour <= 1 && noise >= 0 && noise < Infinity) return;
  throw new UserError("bad-option", "the augmentation is out of range", {
    about: "augment",
    expected: "area within 0 … 1 and aspect above 0, each as [least, largest]; colour from 0 to 1; noise of 0 or more",
    received: JSON.stringify(chosen),
    hint: "Correct the value that is out of range, or omit it for the default",
  });
}

function otherKind(expected: string): UserError {
  return new UserError("bad-option", "this augmentation is for another kind of images", {
    about: "augment",
    expected,
    hint:
      "Images in memory are padded and cropped; image files are cropped by area. " + "Omit the option for the default",
  });
}

/**
 * The crop and flip of image `image` in epoch `epoch`. Both are always drawn, so that turning one off does not change
 * the other.
 */
export function placementOf(augmentation: PaddedCrop, seed: number, epoch: number, image: number): Placement {
  const random = new RandomStream(seed, augmentationStream, epoch, image);
  const span = 2 * augmentation.pad + 1;
  const top = random.integer(span);
  const left = random.integer(span);
  const mirrored = random.integer(2) === 1;
  return { top, left, mirrored: augmentation.flip && mirrored };
}

/**
 * The normalised value of each 8-bit pixel: `table[256·c + p]` = (p / 255 − mean_c) / standardDeviation_c.
 * @throws UserError "bad-option" if there is not one mean and one positive standard deviation for each channel.
 */
export function normalizationTable({ mean, standardDeviation }: Normalization, channels: number): Float32Array {
  const fits = mean.length === channels && standardDeviation.length === channels;
  if (!fits || !mean.every(Number.isFinite) || !standardDeviation.every((value) => value > 0 && value < Infinity)) {
    throw new UserError("bad-option", "the normalisation does not fit the images", {
      about: "normalization",
      expected: `${channels} means and ${channels} positive standard deviations`,
      received: `[${mean.join(",")}] and [${standardDeviation.join(",")}]`,
      hint: "Give one mean and one standard deviation above 0 for each channel",
    });
  }
  return Float32Array.from({ length: channels * 256 }, (_, index) => {
    const channel = index >> 8;
    return ((index & 255) / 255 - (mean[channel] ?? 0)) / (standardDeviation[channel] ?? 1);
  });
}

/**
 * Writes pixels `[C,H,W]` at `source` in `images` as normalised values to `target` in `output`, without crop or flip.
 */
export function writeNormalized(
  images: Uint8Array,
  source: number,
  output: Float32Array,
  target: number,
  shape: SampleShape,
  table: Float32Array,
): void {
  const [channels, height, width] = shape;
  const plane = height * width;
  for (let channel = 0; channel < channels; channel++) {
    const entry = channel << 8;
    const end = (channel + 1) * plane;
    for (let at = channel * plane; at < end; at++) {
      output[target + at] = table[entry + (images[source + at] ?? 0)] ?? 0;
    }
  }
}

/**
 * Writes pixels `[C,H,W]` of image `image` in `images` as normalised values to `target` in `output`, cropped and
 * mirrored by `placement`. Row y and column x of the crop are row y + top − pad and column x + left − pad of the image,
 * and black outside the image. A mirrored crop is written from right to left.
 */
export function writeAugmented(
  images: Uint8Array,
  image: number,
  output: Float32Array,
  target: number,
  shape: SampleShape,
  table: Float32Array,
  pad: number,
  placement: Placement,
): void {
  const [channels, height, width] = shape;
  const down = placement.top - pad;
  const right = placement.left - pad;
  // Columns of the crop that lie on the image; the other columns are padding.
  const firstColumn = Math.max(0, -right);
  const endColumn = Math.min(width, width - right);
  const start = image * sampleSize(shape);
  const step = placement.mirrored ? -1 : 1;
  for (let channel = 0; channel < channels; channel++) {
    const entry = channel << 8;
    const black = table[entry] ?? 0;
    for (let row = 0; row < height; row++) {
      const rowStart = target + (channel * height + row) * width;
      const sourceRow = row + down;
      if (sourceRow < 0 || sourceRow >= height) {
        output.fill(black, rowStart, rowStart + width);
        continue;
      }
      const source = start + (channel * height + sourceRow) * width + right;
      let write = placement.mirrored ? rowStart + width - 1 : rowStart;
      for (let column = 0; column < firstColumn; column++, write += step) output[write] = black;
      for (let column = firstColumn; column < endColumn; column++, write += step) {
        output[write] = table[entry + (images[source + column] ?? 0)] ?? 0;
      }
      for (let column = endColumn; column < width; column++, write += step) output[write] = black;
    }
  }
}
