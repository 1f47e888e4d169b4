/**
 * Random crop, horizontal flip and normalisation of stored images, from 8-bit pixels to network input in one pass.
 *
 * The augmentation of image i in epoch e depends on (seed, e, i) alone, never on the batch, the step or the worker. A
 * resumed run therefore sees the same pixels. The image is padded before it is normalised.
 */
import { UserError } from "../core/errors.ts";
import { RandomStream, streamOf } from "../core/random.ts";
import {
  type AreaCrop,
  type Augmentation,
  type AugmentationOptions,
  type Normalization,
  type PaddedCrop,
  type SampleShape,
  type Split,
  sampleSize,
} from "./dataset.ts";
import { flipOf, isMirrored } from "./flip.ts";

/** Where the crop starts, in pixels from the corner of the padded image, and whether the image is mirrored. */
export interface Placement {
  readonly top: number;
  readonly left: number;
  readonly mirrored: boolean;
}

const augmentationStream = streamOf("augmentation");

/**
 * The augmentation that the option `augment` selects for the images of `split`: true selects the dataset's own, false
 * none, and an object changes the dataset's own.
 * @throws UserError "bad-option" if `augment` is for the other kind of images, or a number in it is out of range.
 */
export function resolveAugmentation(
  augment: boolean | AugmentationOptions,
  standard: Augmentation,
  split: Pick<Split, "sampleShape">,
): Augmentation {
  // A crop without padding changes nothing. Image files get the centre crop then, as in testing.
  if (augment === false) return { pad: 0, flip: false };
  const options = augment === true ? {} : augment;
  return "files" in split ? areaCrop(options, standard) : paddedCrop(options, standard, split.sampleShape);
}

const ofPaddedCrop = ["pad", "border"] as const;
const ofAreaCrop = ["area", "aspect", "colour", "noise"] as const;

function paddedCrop(options: AugmentationOptions, standard: Augmentation, [, height, width]: SampleShape): PaddedCrop {
  if (ofAreaCrop.some((key) => key in options)) throw otherKind("pad, border and flip");
  const chosen = { ...standard, ...options };
  if (!("pad" in chosen) || chosen.pad === undefined) throw otherKind("pad, border and flip");
  const { pad, flip, border = "black" } = chosen;
  // A border is mirrored at the outermost pixel, which does not occur twice.
  const largest = Math.min(height, width) - (border === "reflect" ? 1 : 0);
  if (Number.isInteger(pad) && pad >= 0 && pad <= largest) {
    return { pad, flip: flipOf(flip), ...(border === "black" ? {} : { border }) };
  }
  throw new UserError("bad-option", "the padding of the random crop is too large for the images", {
    about: "augment.pad",
    expected: `a whole number from 0 to ${largest}`,
    received: String(pad),
    hint: "Choose a smaller padding; 4 is usual for images of 32 × 32",
  });
}

function areaCrop(options: AugmentationOptions, standard: Augmentation): Augmentation {
  const isNone = "pad" in options && options.pad === 0 && options.flip === false && !("border" in options);
  // The result for "no augmentation" may be resolved again.
  if (isNone) return { pad: 0, flip: false };
  if (ofPaddedCrop.some((key) => key in options)) throw otherKind("area, aspect, flip, colour and noise");
  const { flip = standard.flip } = options;
  const chosen = { ...standard, ...options, flip: flipOf(flip) };
  if (!isWholeAreaCrop(chosen)) throw otherKind("area, aspect, flip, colour and noise");
  checkAreaCrop(chosen);
  return chosen;
}

function isWholeAreaCrop(chosen: Augmentation | AugmentationOptions): chosen is AreaCrop {
  return ofAreaCrop.every((key) => key in chosen);
}

function checkAreaCrop(chosen: AreaCrop): void {
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
  return { top, left, mirrored: isMirrored(augmentation.flip, mirrored, seed, epoch, image) };
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
      expected: `${channels} means and as many standard deviations above 0`,
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
 * mirrored by `placement`. Row y and column x of the crop are row y + top − pad and column x + left − pad of the image.
 * Outside of it they are black, or with a reflected border the pixel as far on the other side of the outermost one. A
 * mirrored crop is written from right to left.
 */
export function writeAugmented(
  images: Uint8Array,
  image: number,
  output: Float32Array,
  target: number,
  shape: SampleShape,
  table: Float32Array,
  { pad, border = "black" }: Pick<PaddedCrop, "pad" | "border">,
  placement: Placement,
): void {
  const [channels, height, width] = shape;
  const down = placement.top - pad;
  const right = placement.left - pad;
  const isReflected = border === "reflect";
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
      const sourceRow = isReflected ? reflected(row + down, height) : row + down;
      if (sourceRow < 0 || sourceRow >= height) {
        output.fill(black, rowStart, rowStart + width);
        continue;
      }
      const rowAt = start + (channel * height + sourceRow) * width;
      const source = rowAt + right;
      const outside = (column: number): number =>
        isReflected ? (table[entry + (images[rowAt + reflected(column + right, width)] ?? 0)] ?? 0) : black;
      let write = placement.mirrored ? rowStart + width - 1 : rowStart;
      for (let column = 0; column < firstColumn; column++, write += step) output[write] = outside(column);
      for (let column = firstColumn; column < endColumn; column++, write += step) {
        output[write] = table[entry + (images[source + column] ?? 0)] ?? 0;
      }
      for (let column = endColumn; column < width; column++, write += step) output[write] = outside(column);
    }
  }
}

/** `index` mirrored into 0 … length − 1 at the first and the last place, from less than `length` outside. */
function reflected(index: number, length: number): number {
  if (index < 0) return -index;
  return index < length ? index : 2 * (length - 1) - index;
}
