/** Image folders for the tests of `src/data/images/`: sharp makes plain-coloured images for each class. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";

export interface Picture {
  readonly width?: number;
  readonly height?: number;
  readonly colour?: { readonly r: number; readonly g: number; readonly b: number };
  /** Amplitude of its noise; 0 for none. */
  readonly noise?: number;
}

/** Writes a picture in the format of the extension of `path`. */
export async function writePicture(path: string, picture: Picture = {}): Promise<void> {
  const { width = 24, height = 20, colour = { r: 128, g: 128, b: 128 }, noise = 0 } = picture;
  mkdirSync(dirname(path), { recursive: true });
  const pixels = Buffer.alloc(width * height * 3);
  for (let at = 0; at < pixels.length; at++) {
    const level = [colour.r, colour.g, colour.b][at % 3] ?? 0;
    // A small linear congruential generator is enough for noise.
    pixels[at] = Math.min(255, Math.max(0, level + noise * ((((at * 1103515245 + 12345) >>> 8) % 256) / 128 - 1)));
  }
  await sharp(pixels, { raw: { width, height, channels: 3 } }).toFile(path);
}

export const red = { r: 220, g: 30, b: 30 };
export const green = { r: 30, g: 200, b: 40 };
export const blue = { r: 30, g: 40, b: 220 };

/** Writes `count` pictures of each of the colours red, green and blue, in several sizes and formats, below `folder`. */
export async function writeColours(folder: string, count: number): Promise<void> {
  for (const [name, colour] of Object.entries({ red, green, blue })) {
    for (let image = 0; image < count; image++) {
      const file = join(folder, name, `${image}.${["png", "jpg", "webp"][image % 3]}`);
      await writePicture(file, { colour, noise: 25, width: 16 + 3 * (image % 5), height: 16 + 4 * (image % 3) });
    }
  }
}

/** A file that is not an image, whatever its name. */
export function writeBroken(path: string, content = "this is no image"): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
