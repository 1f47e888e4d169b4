/**
 * Chooses the part of an image that the network sees, as a rectangle with fractional pixel coordinates: a random one in
 * training (Szegedy et al., "Going Deeper with Convolutions", 2014, section 6: area 8 % to 100 %, aspect 3/4 to 4/3),
 * the centre in testing.
 */
import { RandomStream, streamOf } from "../../core/random.ts";
import type { AreaCrop } from "../dataset.ts";
import { isMirrored } from "../flip.ts";

/** A rectangle of the upright image, in pixels, and whether it is mirrored. */
export interface View {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly mirrored: boolean;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

const viewStream = streamOf("view");
/**
 * Number of random rectangles to try before the centre is used: some areas and aspects do not fit into a very long
 * image.
 */
const TRIES = 10;

/** The largest centred rectangle of `image` with the aspect ratio of `target`, with its sides scaled by `share`. */
export function centreView({ width, height }: Size, target: Size, share: number): View {
  const scale = Math.min(width / target.width, height / target.height) * share;
  const part = { width: target.width * scale, height: target.height * scale };
  return { left: (width - part.width) / 2, top: (height - part.height) / 2, ...part, mirrored: false };
}

/**
 * A random part of `image`. It depends only on (seed, epoch, index) and the size of the image. Its area and the
 * logarithm of its aspect ratio are uniform, so that portrait and landscape parts are equally frequent.
 */
export function randomView(
  { width, height }: Size,
  { area, aspect, flip }: AreaCrop,
  seed: number,
  epoch: number,
  index: number,
): View {
  const random = new RandomStream(seed, viewStream, epoch, index);
  // Always drawn, so that turning the flip off does not change the crops.
  const mirrored = isMirrored(flip, random.integer(2) === 1, seed, epoch, index);
  const between = ([least, most]: readonly [number, number]): number => least + (most - least) * random.uniform();
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const pixels = width * height * between(area);
    const ratio = Math.exp(between([Math.log(aspect[0]), Math.log(aspect[1])]));
    const part = { width: Math.sqrt(pixels * ratio), height: Math.sqrt(pixels / ratio) };
    const left = random.uniform() * (width - part.width);
    const top = random.uniform() * (height - part.height);
    if (part.width <= width && part.height <= height) return { left, top, ...part, mirrored };
  }
  const nearest = Math.min(Math.max(width / height, aspect[0]), aspect[1]);
  return { ...centreView({ width, height }, { width: nearest, height: 1 }, 1), mirrored };
}
