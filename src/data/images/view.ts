/**
 * Which part of an image the network sees, as a rectangle in fractions of pixels: a random one in training (Szegedy et
 * al., "Going Deeper with Convolutions", 2014, section 6: area 8 % to 100 %, aspect 3/4 to 4/3), the centre in testing.
 */
import { RandomStream, streamOf } from "../../core/random.ts";
import type { AreaCrop } from "../dataset.ts";

/** A rectangle of the upright image, in its pixels, and whether it is mirrored. */
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
/** Draws of a rectangle before the centre is taken: very long images have no rectangle of some areas and aspects. */
const TRIES = 10;

/** The largest rectangle of aspect `target` in the middle of `image`, `share` of its sides. */
export function centreView({ width, height }: Size, target: Size, share: number): View {
  const scale = Math.min(width / target.width, height / target.height) * share;
  const part = { width: target.width * scale, height: target.height * scale };
  return { left: (width - part.width) / 2, top: (height - part.height) / 2, ...part, mirrored: false };
}

/**
 * A random part of `image`, depending on (seed, epoch, index) and the size of the image alone. Its area is uniform, the
 * logarithm of its aspect is uniform, so that upright and lying parts are equally frequent.
 */
export function randomView(
  { width, height }: Size,
  { area, aspect, flip }: AreaCrop,
  seed: number,
  epoch: number,
  index: number,
): View {
  const random = new RandomStream(seed, viewStream, epoch, index);
  // Always drawn, so that turning the flip off leaves the crops as they were.
  const mirrored = random.integer(2) === 1 && flip;
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
