/**
 * Decodes one image file to 8-bit pixels of the size that a network takes. libvips (through sharp) decodes. This module
 * decides which files are accepted: JPEG, PNG and WebP, by their first bytes and not by their name.
 *
 * - The EXIF orientation is applied.
 * - 16 bits a channel become 8. CMYK, palettes and grey become sRGB (or grey, for a network that takes one channel).
 * - Transparent pixels are composited on black, the colour of a crop's padding.
 * - An animated WebP gives its first frame.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Sharp, SharpOptions } from "sharp";
import type { SampleShape } from "../dataset.ts";
import type { View } from "./view.ts";

/** Larger images are refused: decoding one could use all memory. */
export const LARGEST_IMAGE_PIXELS = 100_000_000;
/**
 * libvips holds interlaced and rotated images in memory as a whole. This limit equals `LARGEST_IMAGE_PIXELS` of 8-bit
 * RGB; images with more channels or bits may have fewer pixels.
 */
const largestImageBytes = 3 * LARGEST_IMAGE_PIXELS;

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
 * (Lanczos with anti-aliasing).
 * @throws Error with the reason if the file is not a readable image; never a `UserError`, because one bad file does not
 * stop a run.
 */
export async function decodeImage(
  folder: string,
  path: string,
  shape: SampleShape,
  choose: ChooseView,
): Promise<Decoded> {
  return decodeBytes(await readFile(resolve(folder, path)), shape, choose);
}

/** As `decodeImage`, for an encoded image in memory. */
export async function decodeBytes(bytes: Buffer, shape: SampleShape, choose: ChooseView): Promise<Decoded> {
  if (!isKnownFormat(bytes)) {
    throw new Error(bytes.length === 0 ? "the file is empty" : "it is not a JPEG, PNG or WebP file");
  }
  const sharp = await loadDecoder();
  const [channels, height, width] = shape;
  const options = { failOn: "truncated", limitInputPixels: LARGEST_IMAGE_PIXELS, page: 0 } as const;
  const open = (): Sharp => sharp(bytes, options);
  // Read the header alone, without libvips' size limit: `refuseLarge` checks the size.
  const {
    autoOrient,
    channels: ownChannels,
    depth,
  } = await sharp(bytes, { ...options, limitInputPixels: false }).metadata();
  refuseLarge(autoOrient, ownChannels * (depth === "ushort" ? 2 : 1));
  const view = choose(autoOrient);
  // Scale the whole image so that the view gets the network's size, then cut the view out. libvips computes only the
  // requested pixels. It decodes a JPEG that is scaled down as a whole at an eighth, a quarter or half of its size.
  const scaledWidth = Math.max(width, Math.round((autoOrient.width * width) / view.width));
  const scaledHeight = Math.max(height, Math.round((autoOrient.height * height) / view.height));
  const left = Math.min(scaledWidth - width, Math.round((view.left * width) / view.width));
  const top = Math.min(scaledHeight - height, Math.round((view.top * height) / view.height));
  const { data, info } = await open()
    .autoOrient()
    .resize(scaledWidth, scaledHeight, { fit: "fill" })
    .extract({ left, top, width, height })
    .flatten({ background: "black" })
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== channels || info.width !== width || info.height !== height) {
    throw new Error(`it was decoded to ${info.channels} channels of ${info.height}x${info.width} pixels`);
  }
  return { pixels: data, view };
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

/** True if `bytes` start like a JPEG, PNG or WebP file. */
function isKnownFormat(bytes: Buffer): boolean {
  const startsWith = (at: number, text: string): boolean =>
    bytes.subarray(at, at + text.length).toString("latin1") === text;
  return (
    startsWith(0, "\xff\xd8\xff") ||
    startsWith(0, "\x89PNG\r\n\x1a\n") ||
    (startsWith(0, "RIFF") && startsWith(8, "WEBP"))
  );
}

/** The reason for a failed decode, in one line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split("\n")[0] ?? text;
}
