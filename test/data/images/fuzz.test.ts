import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { RandomStream } from "../../../src/core/random.ts";
import type { SampleShape } from "../../../src/data/dataset.ts";
import { decodeBytes } from "../../../src/data/images/decode.ts";
import { centreView } from "../../../src/data/images/view.ts";

const fixtures = join(import.meta.dirname, "fixtures");
const shape: SampleShape = [3, 16, 32];

const files = [
  ...["plain.jpg", "plain.png", "animated.webp", "alpha.png", "cmyk.jpg", "orientation-6.jpg"],
  ...["palette.bmp", "thirty-two-bits.bmp", "plain.tiff", "animated.gif", "plain.avif"],
];

it.each(files)("a spoilt %s is decoded to the right size or refused, 170 times", async (file) => {
  const sound = readFileSync(join(fixtures, file));
  const random = new RandomStream(1, `fuzz:${file}`);
  let refused = 0;
  for (let round = 0; round < 170; round++) {
    const bytes = Buffer.from(sound.subarray(0, random.integer(4) === 0 ? random.integer(sound.length) : sound.length));
    for (let change = random.integer(6); change >= 0 && bytes.length > 0; change--) {
      bytes[random.integer(bytes.length)] = random.integer(256);
    }
    try {
      const { pixels } = await decodeBytes(bytes, shape, (size) => centreView(size, { width: 32, height: 16 }, 1));
      expect(pixels).toHaveLength(3 * 16 * 32);
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(0);
});
