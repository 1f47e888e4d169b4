import { readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import type { SampleShape } from "../../../src/data/dataset.ts";
import { decodeBytes, decodeImage, LARGEST_IMAGE_PIXELS, reasonOf } from "../../../src/data/images/decode.ts";
import { centreView } from "../../../src/data/images/view.ts";

const fixtures = join(import.meta.dirname, "fixtures");
const whole =
  ([, height, width]: SampleShape) =>
  (size: { width: number; height: number }) =>
    centreView(size, { width, height }, 1);

/** The pixels of one of Pillow's files at its own size, and the pixels in the middle of its left and right half. */
async function halves(file: string, channels: 1 | 3 = 3): Promise<{ left: number[]; right: number[] }> {
  const shape: SampleShape = [channels, 16, 32];
  const { pixels } = await decodeImage(fixtures, file, shape, whole(shape));
  expect(pixels).toHaveLength(channels * 16 * 32);
  const at = (column: number): number[] => [
    ...pixels.subarray((8 * 32 + column) * channels, (8 * 32 + column + 1) * channels),
  ];
  return { left: at(7), right: at(24) };
}

function expectNear(received: readonly number[], expected: readonly number[], by: number): void {
  for (const [channel, value] of expected.entries()) {
    expect(Math.abs((received[channel] ?? Number.NaN) - value)).toBeLessThanOrEqual(by);
  }
}

describe("decodeImage", () => {
  // The numbers are those that make.py gave to Pillow. Lossy files may differ slightly.
  it.each([
    ["plain.png", 0],
    ["plain.jpg", 3],
    ["plain.webp", 0],
    ["palette.png", 0],
    ["animated.webp", 0],
    ["orientation-6.jpg", 3],
    ["plain.bmp", 0],
    ["palette.bmp", 0],
    ["thirty-two-bits.bmp", 0],
    ["plain.tiff", 0],
    ["animated.gif", 2],
    ["really-a-gif.jpg", 2],
    ["plain.avif", 4],
  ])("reads %s as Pillow wrote it: first frame, upright, colours looked up", async (file, tolerance) => {
    const { left, right } = await halves(file);
    expectNear(left, [200, 40, 30], tolerance);
    expectNear(right, [20, 60, 180], tolerance);
  });

  it("composites transparent pixels on black", async () => {
    const { left, right } = await halves("alpha.png");
    expect(left).toEqual([0, 0, 0]);
    expectNear(right, [200 * (128 / 255), 100 * (128 / 255), 50 * (128 / 255)], 1);
    const grey = await halves("grey-alpha.png");
    expect([grey.left, grey.right]).toEqual([
      [0, 0, 0],
      [90, 90, 90],
    ]);
  });

  it("converts 16 bits to 8, and one channel to three", async () => {
    const { left, right } = await halves("sixteen-bits.png");
    expectNear(left, [0x28, 0x28, 0x28], 1);
    expectNear(right, [0xc8, 0xc8, 0xc8], 1);
    expectNear((await halves("grey.jpg")).left, [40, 40, 40], 2);
    expectNear((await halves("sixteen-bits.tiff")).right, [0xc8, 0xc8, 0xc8], 1);
    expect(await halves("one-bit.bmp")).toEqual({ left: [0, 0, 0], right: [255, 255, 255] });
  });

  it.each([1, 3] as const)("stretches 16 bits to a white, for %i channels", async (channels) => {
    const shape: SampleShape = [channels, 16, 32];
    const white = 0xd000;
    for (const file of ["sixteen-bits.png", "sixteen-bits.tiff"]) {
      const { pixels } = await decodeImage(fixtures, file, shape, whole(shape), white);
      expect([pixels[0], pixels.at(-1)]).toEqual([0x2840, 0xc8c8].map((value) => Math.round((255 * value) / white)));
      const { pixels: clipped } = await decodeImage(fixtures, file, shape, whole(shape), 0x3000);
      expect([clipped[0], clipped.at(-1)]).toEqual([Math.round((255 * 0x2840) / 0x3000), 255]);
    }
    // Images of 8 bits have no other white than 255.
    const { pixels } = await decodeImage(fixtures, "plain.bmp", [3, 16, 32], whole(shape), white);
    expect([...pixels.subarray(0, 3)]).toEqual([200, 40, 30]);
  });

  it("reads a TIFF of CMYK", async () => {
    const { left } = await halves("cmyk.tiff");
    expect(left[0] ?? 0).toBeGreaterThan(Math.max(left[1] ?? 255, left[2] ?? 255) + 100);
  });

  it("converts colour to grey for a network that takes one channel", async () => {
    const { left, right } = await halves("plain.png", 1);
    expect(left).toHaveLength(1);
    // Red is brighter than this blue by any formula for grey.
    expect(left[0]).toBeGreaterThan((right[0] ?? 255) + 5);
    expectNear((await halves("grey.jpg", 1)).right, [220], 2);
  });

  it("converts CMYK to sRGB: magenta and yellow are red, cyan is blue", async () => {
    const { left, right } = await halves("cmyk.jpg");
    const [red = 0, green = 0, blue = 0] = left;
    expect(red).toBeGreaterThan(Math.max(green, blue) + 100);
    expect(right[2] ?? 0).toBeGreaterThan((right[0] ?? 255) + 100);
  });

  it.each([
    ["make.py", /not a JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP file/],
    ["floats.tiff", /type float: save it with 8 or 16 bits/],
    ["cut-short.jpg", /premature end|truncated|corrupt/i],
    ["nowhere.jpg", /ENOENT/],
  ])("refuses %s with the reason", async (file, reason) => {
    const error = await halves(file).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(Error);
    expect(reasonOf(error)).toMatch(reason);
    expect(reasonOf(error)).not.toContain("\n");
  });

  it("refuses an image that is too large for memory, from its header alone", async () => {
    const side = Math.ceil(Math.sqrt(LARGEST_IMAGE_PIXELS)) + 1;
    const bytes = Buffer.from(readFileSync(join(fixtures, "plain.png")));
    // Width and height in IHDR, and the checksum that PNG requires.
    bytes.writeUInt32BE(side, 16);
    bytes.writeUInt32BE(side, 20);
    bytes.writeUInt32BE(crc(bytes.subarray(12, 29)), 29);
    await expect(decodeBytes(bytes, [3, 8, 8], whole([3, 8, 8]))).rejects.toThrow(
      `its ${side}x${side} pixels would take 300 MB; at most 100 million pixels and 300 MB are decoded: scale it down`,
    );
    // Fewer pixels, with 16 bits and one more channel: the limit is on the bytes in memory.
    bytes.writeUInt32BE(side >> 1, 16);
    bytes.writeUInt32BE(side, 20);
    bytes.set([16, 6], 24);
    bytes.writeUInt32BE(crc(bytes.subarray(12, 29)), 29);
    await expect(decodeBytes(bytes, [3, 8, 8], whole([3, 8, 8]))).rejects.toThrow(/would take 400 MB/);
    await expect(decodeBytes(Buffer.alloc(0), [3, 8, 8], whole([3, 8, 8]))).rejects.toThrow("the file is empty");
  });

  it("crops the view out of the scaled image", async () => {
    // Red grows to the right, green downwards, so a pixel's colour says where it was.
    const pixels = Buffer.alloc(200 * 100 * 3);
    for (let y = 0; y < 100; y++) for (let x = 0; x < 200; x++) pixels.set([x, 2 * y, 0], 3 * (y * 200 + x));
    const bytes = await sharp(pixels, { raw: { width: 200, height: 100, channels: 3 } })
      .png()
      .toBuffer();
    const view = { left: 60, top: 20, width: 80, height: 40, mirrored: false };
    const decoded = await decodeBytes(bytes, [3, 10, 20], () => view);
    for (let y = 0; y < 10; y++) {
      for (let x = 0; x < 20; x++) {
        const [red = 0, green = 0] = decoded.pixels.subarray(3 * (y * 20 + x));
        // The centre of each pixel, on the scale of the original.
        expect(Math.abs(red - (60 + 4 * (x + 0.5) - 0.5))).toBeLessThanOrEqual(1.5);
        expect(Math.abs(green - 2 * (20 + 4 * (y + 0.5) - 0.5))).toBeLessThanOrEqual(2.5);
      }
    }
  });
});

/** The CRC-32 of PNG. */
function crc(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return (value ^ 0xffffffff) >>> 0;
}
