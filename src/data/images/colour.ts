/**
 * Colour augmentation: random changes of brightness, contrast and saturation in random order, noise along the principal
 * components of colour, and the normalisation. Each step is an affine map of a pixel's (red, green, blue), so all steps
 * together are one matrix and one pass over the pixels. Values are not clipped in between, as in the ImageNet code of
 * ResNet (Gross and Wilber, fb.resnet.torch), whose augmentation the paper adopts.
 */
import { RandomStream, streamOf } from "../../core/random.ts";
import type { AreaCrop, Normalization, SampleShape } from "../dataset.ts";

/** The map of a pixel x with values 0 … 1 to M·x + b; M in row-major order. */
interface Affine {
  readonly matrix: readonly number[];
  readonly offset: readonly number[];
}

const identity: Affine = { matrix: [1, 0, 0, 0, 1, 0, 0, 0, 1], offset: [0, 0, 0] };
/** Weights of red, green and blue in grey (ITU-R BT.601). */
const grey = [0.299, 0.587, 0.114];
const colourStream = streamOf("colour");

/**
 * Principal components of ImageNet's pixels, one in each column, and the square roots of the variances along them
 * (Krizhevsky et al., 2012; the numbers are those of fb.resnet.torch).
 */
const componentScales = [0.2175, 0.0188, 0.0045];
const components = [
  [-0.5675, 0.7192, 0.4009],
  [-0.5808, -0.0045, -0.814],
  [-0.5836, -0.6948, 0.4203],
];

/** The map that applies `first` and then `second`. */
function compose(first: Affine, second: Affine): Affine {
  const at = (map: Affine, row: number, column: number): number => map.matrix[3 * row + column] ?? 0;
  const rows = [0, 1, 2];
  const dot = (row: number, values: readonly number[]): number =>
    rows.reduce((sum, k) => sum + at(second, row, k) * (values[k] ?? 0), 0);
  return {
    matrix: rows.flatMap((row) =>
      rows.map((column) =>
        dot(
          row,
          rows.map((k) => at(first, k, column)),
        ),
      ),
    ),
    offset: rows.map((row) => dot(row, first.offset) + (second.offset[row] ?? 0)),
  };
}

/** x ← α·x + (1 − α)·grey(x): α = 0 gives grey, α = 1 the image. */
function saturation(alpha: number): Affine {
  const matrix = identity.matrix.map((one, at) => alpha * one + (1 - alpha) * (grey[at % 3] ?? 0));
  return { matrix, offset: [0, 0, 0] };
}

/** x ← α·x + b in every channel. */
function scaling(alpha: number, offset: number): Affine {
  return { matrix: identity.matrix.map((one) => alpha * one), offset: [offset, offset, offset] };
}

/** The grey value of the mean colour after `map`: the mean of an affine map is the map of the mean. */
function meanGrey({ matrix, offset }: Affine, mean: readonly number[]): number {
  return grey.reduce((sum, weight, row) => {
    const value = mean.reduce((total, part, column) => total + (matrix[3 * row + column] ?? 0) * part, 0);
    return sum + weight * (value + (offset[row] ?? 0));
  }, 0);
}

/**
 * The colour change of image `index` in epoch `epoch`. `mean`: the image's mean red, green and blue, 0 … 1, around
 * which the contrast is changed.
 */
export function randomColour(
  { colour, noise }: AreaCrop,
  mean: readonly number[],
  seed: number,
  epoch: number,
  index: number,
): Affine {
  const random = new RandomStream(seed, colourStream, epoch, index);
  const order = random.permutation(3);
  const alphas = [0, 1, 2].map(() => 1 + colour * (2 * random.uniform() - 1));
  const shifts = componentScales.map((scale) => noise * scale * random.normal());
  let map = identity;
  for (const kind of order) {
    const alpha = alphas[kind] ?? 1;
    if (kind === 0) map = compose(map, scaling(alpha, 0));
    else if (kind === 1) map = compose(map, scaling(alpha, (1 - alpha) * meanGrey(map, mean)));
    else map = compose(map, saturation(alpha));
  }
  const offset = components.map((row, channel) =>
    row.reduce((sum, part, component) => sum + part * (shifts[component] ?? 0), map.offset[channel] ?? 0),
  );
  return { matrix: map.matrix, offset };
}

/** Mean of each channel of interleaved 8-bit `pixels` / 255. */
export function meanColour(pixels: Uint8Array): readonly [number, number, number] {
  let [red, green, blue] = [0, 0, 0];
  for (let at = 0; at < pixels.length; at += 3) {
    red += pixels[at] ?? 0;
    green += pixels[at + 1] ?? 0;
    blue += pixels[at + 2] ?? 0;
  }
  const scale = 3 / (255 * Math.max(1, pixels.length));
  return [red * scale, green * scale, blue * scale];
}

/**
 * Writes interleaved 8-bit `pixels` [H,W,3] as planes [3,H,W] to `target` in `output`: changed by `colour` (default:
 * unchanged), mirrored and normalised. Images of one channel are only mirrored and normalised.
 */
export function writePixels(
  pixels: Uint8Array,
  output: Float32Array,
  target: number,
  [channels, height, width]: SampleShape,
  { mean, standardDeviation }: Normalization,
  mirrored: boolean,
  colour: Affine = identity,
): void {
  const plane = height * width;
  const step = mirrored ? -1 : 1;
  for (let channel = 0; channel < channels; channel++) {
    const scale = 1 / (standardDeviation[channel] ?? 1);
    const row = colour.matrix.slice(3 * channel, 3 * channel + 3).map((factor) => (factor * scale) / 255);
    const [red = 0, green = 0, blue = 0] = row;
    const shift = ((colour.offset[channel] ?? 0) - (mean[channel] ?? 0)) * scale;
    const start = target + channel * plane;
    for (let y = 0, read = 0; y < height; y++) {
      let write = start + y * width + (mirrored ? width - 1 : 0);
      for (let x = 0; x < width; x++, write += step) {
        if (channels === 1) {
          output[write] = red * (pixels[read++] ?? 0) + shift;
          continue;
        }
        output[write] =
          red * (pixels[read] ?? 0) + green * (pixels[read + 1] ?? 0) + blue * (pixels[read + 2] ?? 0) + shift;
        read += 3;
      }
    }
  }
}
