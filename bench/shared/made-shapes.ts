/** Made pictures with a bright shape on noise: where it is, whether it is a disc or a square, and its colour. */
import { RandomStream } from "../../src/core/random.ts";
import { type Tensor, tensor } from "../../src/core/tensor.ts";
import { allocateSplit, type StoredSplit } from "../../src/data/dataset.ts";

export const SIDE = 32;
const PIXELS = SIDE * SIDE;
/** Mean and standard deviation of pixels / 255. */
export const SHAPES_NORMALIZATION = { mean: [0.3, 0.3, 0.3], standardDeviation: [0.25, 0.25, 0.25] } as const;

/** Pictures and what is right about them. */
export interface MadePictures {
  readonly split: StoredSplit;
  /** [N,1,32,32]: 1 on the shape, 0 beside it. */
  readonly masks: Tensor;
  /** 0 disc, 1 square. */
  readonly shapes: Int32Array;
  /** 0 red, 1 green, 2 blue. */
  readonly colours: Int32Array;
}

export function madePictures(count: number, seed: number): MadePictures {
  const split = allocateSplit(count, [3, SIDE, SIDE]);
  const masks = tensor([count, 1, SIDE, SIDE]);
  const [shapes, colours] = [new Int32Array(count), new Int32Array(count)];
  for (let image = 0; image < count; image++) {
    const random = new RandomStream(seed, "shapes", image);
    const [shape, colour] = [random.integer(2), random.integer(3)];
    const [row, column, radius] = [8 + random.integer(16), 8 + random.integer(16), 4 + random.integer(4)];
    shapes[image] = shape;
    colours[image] = colour;
    for (let pixel = 0; pixel < PIXELS; pixel++) {
      const [dy, dx] = [Math.floor(pixel / SIDE) - row, (pixel % SIDE) - column];
      const isInside =
        shape === 0 ? dy * dy + dx * dx <= radius * radius : Math.max(Math.abs(dy), Math.abs(dx)) < radius;
      masks.data[image * PIXELS + pixel] = Number(isInside);
      for (let channel = 0; channel < 3; channel++) {
        const bright = isInside ? (channel === colour ? 110 : 40) : 0;
        split.images[(image * 3 + channel) * PIXELS + pixel] = random.integer(120) + bright;
      }
    }
  }
  return { split, masks, shapes, colours };
}
