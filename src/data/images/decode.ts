/**
 * Decodes one image file to 8-bit pixels of the size that a network takes. libvips (through sharp) decodes. This module
 * decides which files are accepted, by their first bytes and not by their name (`formats.ts`).
 *
 * - The EXIF orientation is applied.
 * - 16 bits a channel become 8: `white` (65,535 if it is not given) becomes 255.
 * - CMYK, palettes and grey become sRGB (or grey, for a network that takes one channel).
 * - Transparent pixels are composited on black, the colour of a crop's padding.
 * - A file of several images or pages gives its first one.
 */
import { resolve } from "node:path";
import type { Sharp, SharpOptions } from "sharp";
import type { SampleShape } from "../dataset.ts";
import { NOT_REGULAR, readRegular } from "../files.ts";
import { bitmapSize, decodeBitmap } from "./bmp.ts";
import { FORMATS, formatOf } from "./formats.ts";
import type { View } from "./view.ts";

/** Larger images are refused: decoding one could use all memory. */
export const LARGEST_IMAGE_PIXELS = 100_000_000;
/**
 * libvips holds interlaced and rotated images in memory as a whole. This limit equals `LARGEST_IMAGE_PIXELS` of 8-bit
 * RGB; images with more channels or bits may have fewer pixels.
 */
const largestImageBytes = 3 * LARGEST_IMAGE_PIXELS;
/** The largest value of 16 bits. */
export const FULL_WHITE = 65535;

type SharpFactory = (input: Buffer, options: SharpOptions) => Sharp;

let loading: Promise<SharpFactory> | undefined;

/**
 * Loads libvips once. The main thread must load it before a worker does: a native library that only a worker has loaded
 * is unloaded with it. Each image is decoded by one thread, and nothing is cached: the training step needs the cores
 * and the memory.
 */
export function loadDecoder(): Promise<SharpFactory> {
  loading ??= import("sharp").then(({ default: sharp }) => {
    sharp.concurrency(1);
    sharp.cache(false);
    return sharp;
  });
  return loading;
}

/** Chooses the view from the size of the upright image. */
export type ChooseView = (size: { readonly width: number; readonly height: number }) => View;

export interface Decoded {
  /** Interleaved 8-bit [H,W,C], not mirrored. */
  readonly pixels: Uint8Array;
  readonly view: View;
}

/**
 * Decodes the image file `path` (relative to `folder`) and returns the part that `choose` picks, scaled to `shape`
 * (Lanczos with anti-aliasing). `white`: the value of 16 bits that becomes 255.
 * @throws Error with the reason if the file is not a readable image; never a `UserError`, because one bad file does not
 * stop a run.
 */
export async function decodeImage(
  folder: string,
  path: string,
  shape: SampleShape,
  choose: ChooseView,
  white?: number,
): Promise<Decoded> {
  const bytes = await readRegular(resolve(folder, path));
  if (bytes === undefined) throw new Error(NOT_REGULAR);
  return decodeBytes(bytes, shape, choose, white);
}

/** As `decodeImage`, for an encoded image in memory. */
export async function decodeBytes(
  bytes: Buffer,
  shape: SampleShape,
  choose: ChooseView,
  white: number = FULL_WHITE,
): Promise<Decoded> {
  const { open, size, isDeep } = await openImage(bytes);
  const [channels, height, width] = shape;
  const view = choose(size);
  // Scale the whole image so that the view gets the network's size, then cut the view out. libvips computes only the
  // requested pixels. It decodes a JPEG that is scaled down as a whole at an eighth, a quarter or half of its size.
  const scaledWidth = Math.max(width, Math.round((size.width * width) / view.width));
  const scaledHeight = Math.max(height, Math.round((size.height * height) / view.height));
  const left = Math.min(scaledWidth - width, Math.round((view.left * width) / view.width));
  const top = Math.min(scaledHeight - height, Math.round((view.top * height) / view.height));
  const isStretched = isDeep && white < FULL_WHITE;
  const { data, info } = await open()
    .autoOrient()
    .resize(scaledWidth, scaledHeight, { fit: "fill" })
    .extract({ left, top, width, height })
    .flatten({ background: "black" })
    .toColourspace(isStretched ? deepSpaces[channels === 1 ? 1 : 3] : channels === 1 ? "b-w" : "srgb")
    .raw({ depth: isStretched ? "ushort" : "uchar" })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== channels || info.width !== width || info.height !== height) {
    throw new Error(`it was decoded to ${info.channels} channels of ${info.height}x${info.width} pixels`);
  }
  return { pixels: isStretched ? stretched(data, white) : data, view };
}

/** Colour spaces of 16 bits, by the number of channels. */
const deepSpaces = { 1: "grey16", 3: "rgb16" } as const;

/** 16-bit `data` as bytes, of which 255 stands for `white` and more. */
function stretched(data: Buffer, white: number): Uint8Array {
  const values = new Uint16Array(data.buffer, data.byteOffset, data.length / Uint16Array.BYTES_PER_ELEMENT);
  return Uint8Array.from(values, (value) => Math.min(255, Math.round((255 * value) / white)));
}

export interface OpenedImage {
  /** A pipeline that decodes the image. */
  open(): Sharp;
  /** Of the upright image. */
  readonly size: { readonly width: number; readonly height: number };
  /** Whether it is a PNG or TIFF of 16 bits a channel, whose `white` may be lower than all of them. */
  readonly isDeep: boolean;
  readonly hasAlpha: boolean;
}

/** Reads the header of an encoded image. @throws Error with the reason if it is not an image that can be decoded. */
export async function openImage(bytes: Buffer): Promise<OpenedImage> {
  const format = formatOf(bytes);
  if (format === undefined) throw new Error(bytes.length === 0 ? "the file is empty" : `it is not a ${FORMATS} file`);
  if (format === "heic") throw new Error("it is a HEIC image, which is not decoded: save it as JPEG");
  const sharp = await loadDecoder();
  if (format === "bmp") {
    const size = bitmapSize(bytes);
    refuseLarge(size, 3);
    const { pixels, ...shape } = decodeBitmap(bytes);
    return { open: () => sharp(pixels, { raw: { ...shape, channels: 3 } }), size, isDeep: false, hasAlpha: false };
  }
  const options = { failOn: "truncated", limitInputPixels: LARGEST_IMAGE_PIXELS, page: 0 } as const;
  // Read the header alone, without libvips' size limit: `refuseLarge` checks the size.
  const { autoOrient, channels, depth, space, hasAlpha } = await sharp(bytes, {
    ...options,
    limitInputPixels: false,
  }).metadata();
  const isDeep = depth === "ushort";
  if (!isDeep && depth !== "uchar") throw new Error(`its values are of type ${depth}: save it with 8 or 16 bits`);
  refuseLarge(autoOrient, channels * (isDeep ? 2 : 1));
  return {
    ...{ open: () => sharp(bytes, options), size: autoOrient, hasAlpha },
    isDeep: isDeep && (format === "png" || format === "tiff") && (space === "grey16" || space === "rgb16"),
  };
}

function refuseLarge({ height, width }: { readonly height: number; readonly width: number }, pixelBytes: number): void {
  const pixels = height * width;
  if (pixels <= LARGEST_IMAGE_PIXELS && pixels * pixelBytes <= largestImageBytes) return;
  const millions = (count: number): string => `${Math.round(count / 1e6)}`;
  throw new Error(
    `its ${height}x${width} pixels would take ${millions(pixels * pixelBytes)} MB; ` +
      `at most ${millions(LARGEST_IMAGE_PIXELS)} million pixels ` +
      `and ${millions(largestImageBytes)} MB are decoded: scale it down, or save it as 8-bit RGB`,
  );
}

/** The reason for a failed decode, in one line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split("\n")[0] ?? text;
}
