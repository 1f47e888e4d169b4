/** Converts images between files, pixels on the screen, and inputs of a network. */
import type { TestImages } from "../protocol.ts";

type Shape = TestImages["shape"];

/** Largest size of an image file in bytes. Larger files are refused before they are decoded. */
export const LARGEST_FILE = 20_000_000;

/** Converts planar 8-bit pixels into a picture. */
export function pictureOf(pixels: Uint8Array, [channels, height, width]: Shape): ImageData {
  const picture = new ImageData(width, height);
  const size = height * width;
  for (let at = 0; at < size; at++) {
    for (let channel = 0; channel < 3; channel++) {
      picture.data[4 * at + channel] = pixels[Math.min(channel, channels - 1) * size + at] ?? 0;
    }
    picture.data[4 * at + 3] = 255;
  }
  return picture;
}

/**
 * Crops the middle of an image file and scales it to the input size of a network. Returns planar 8-bit pixels; one
 * channel is the luma of Rec. 601.
 */
export async function pixelsOf(file: Blob, [channels, height, width]: Shape): Promise<Uint8Array> {
  if (file.size > LARGEST_FILE) throw new Error("The file is larger than 20 MB");
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error("This browser cannot read the file as an image");
  });
  const scale = Math.min(bitmap.width / width, bitmap.height / height);
  const [wide, high] = [width * scale, height * scale];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("This browser does not support OffscreenCanvas");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (bitmap.width - wide) / 2, (bitmap.height - high) / 2, wide, high, 0, 0, width, height);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const size = height * width;
  const pixels = new Uint8Array(channels * size);
  for (let at = 0; at < size; at++) {
    const [red = 0, green = 0, blue = 0] = data.subarray(4 * at, 4 * at + 3);
    if (channels === 1) pixels[at] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    else for (const [channel, value] of [red, green, blue].entries()) pixels[channel * size + at] = value;
  }
  return pixels;
}

/** Normalises each channel: (pixel / 255 − mean) / standardDeviation. */
export function inputOf(
  pixels: Uint8Array,
  { shape, mean, standardDeviation }: Omit<TestImages, "images" | "classes">,
): Float32Array {
  const [, height, width] = shape;
  return Float32Array.from(pixels, (pixel, index) => {
    const channel = Math.floor(index / (height * width));
    return (pixel / 255 - (mean[channel] ?? 0)) / (standardDeviation[channel] ?? 1);
  });
}

/** The `most` classes with the highest probabilities, the highest first; the output has the form `answers`. */
export function likeliest(
  output: Float32Array,
  { classes, answers }: Pick<TestImages, "classes" | "answers">,
  most: number,
): { readonly name: string; readonly share: number }[] {
  return sharesOf(output, answers)
    .map((share, index) => ({ name: classes[index] ?? String(index), share }))
    .sort((a, b) => b.share - a.share)
    .slice(0, most);
}

function sharesOf(output: Float32Array, answers: TestImages["answers"]): number[] {
  const [first = 0] = output;
  switch (answers) {
    case "probabilities":
      return [...output];
    case "probability":
      return [1 - first, first];
    case "logit":
      return softmax(Float32Array.of(0, first));
    case "logits":
      return softmax(output);
  }
}

function softmax(logits: Float32Array): number[] {
  const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = Array.from(logits, (logit) => Math.exp(logit - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
