/** Made pictures with up to three shapes of any size on a coloured, noisy ground, and the boxes around them. */
import { RandomStream } from "../../src/core/random.ts";
import { allocateSplit, type StoredSplit } from "../../src/data/dataset.ts";

export const SCENE = 64;
export const sceneClasses = ["disc", "square", "triangle"] as const;
const PIXELS = SCENE * SCENE;
const [SMALLEST, LARGEST] = [4, 20];
const MOST = 3;

/** In pixels; `x` and `y` are the middle of the box. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** An index of `sceneClasses`. */
  readonly label: number;
}

export interface MadeScenes {
  readonly split: StoredSplit;
  /** The boxes of each picture. */
  readonly boxes: readonly (readonly Box[])[];
}

type Colour = readonly [number, number, number];

export function madeScenes(count: number, seed: number): MadeScenes {
  const split = allocateSplit(count, [3, SCENE, SCENE]);
  const boxes = Array.from({ length: count }, (_, image) => {
    const random = new RandomStream(seed, "scenes", image);
    const colour = (): Colour => [random.integer(256), random.integer(256), random.integer(256)];
    const pixels = split.images.subarray(image * 3 * PIXELS, (image + 1) * 3 * PIXELS);
    paintGround(pixels, colour(), colour(), random);
    const placed: Box[] = [];
    const wanted = 1 + random.integer(MOST);
    for (let tries = 0; tries < 20 && placed.length < wanted; tries++) {
      const box = randomBox(random);
      const tint = colour();
      if (placed.some((other) => areNear(box, other))) continue;
      if (paintShape(pixels, box, tint)) placed.push(box);
    }
    return placed;
  });
  return { split, boxes };
}

function randomBox(random: RandomStream): Box {
  // Small and large shapes are equally frequent by ratio, so that every scale of a detector has its share.
  const radius = SMALLEST * (LARGEST / SMALLEST) ** random.uniform();
  const [width, height] = [2 * radius, 2 * radius * (0.8 + 0.4 * random.uniform())];
  const place = (extent: number): number => extent / 2 + random.uniform() * (SCENE - extent);
  return { x: place(width), y: place(height), width, height, label: random.integer(sceneClasses.length) };
}

function areNear(a: Box, b: Box): boolean {
  return 2 * Math.abs(a.x - b.x) < a.width + b.width && 2 * Math.abs(a.y - b.y) < a.height + b.height;
}

/** A gradient between two colours, and noise. */
function paintGround(pixels: Uint8Array, from: Colour, to: Colour, random: RandomStream): void {
  const angle = 2 * Math.PI * random.uniform();
  const [across, down] = [Math.cos(angle) / SCENE, Math.sin(angle) / SCENE];
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    const along = ((pixel % SCENE) - SCENE / 2) * across + (Math.floor(pixel / SCENE) - SCENE / 2) * down;
    const share = Math.min(1, Math.max(0, along + 0.5));
    for (const [channel, value] of from.entries()) {
      const ground = value + share * ((to[channel] ?? 0) - value);
      pixels[channel * PIXELS + pixel] = Math.min(255, Math.max(0, ground + random.integer(41) - 20));
    }
  }
}

/** Paints the shape of `box`, unless it would hardly differ from the ground. */
function paintShape(pixels: Uint8Array, { x, y, width, height, label }: Box, colour: Colour): boolean {
  const middle = Math.floor(y) * SCENE + Math.floor(x);
  const contrast = colour.reduce((sum, value, at) => sum + Math.abs(value - (pixels[at * PIXELS + middle] ?? 0)), 0);
  if (contrast < 150) return false;
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    const [dx, dy] = [(2 * ((pixel % SCENE) + 0.5 - x)) / width, (2 * (Math.floor(pixel / SCENE) + 0.5 - y)) / height];
    if (Math.abs(dx) > 1 || Math.abs(dy) > 1) continue;
    const isInside = label === 0 ? dx * dx + dy * dy <= 1 : label === 1 || Math.abs(dx) <= (dy + 1) / 2;
    if (isInside) for (const [channel, value] of colour.entries()) pixels[channel * PIXELS + pixel] = value;
  }
  return true;
}
