/**
 * One image file as 8-bit pixels of the size a network takes. libvips (through sharp) decodes; what a file may be is
 * decided here: JPEG, PNG or WebP by their first bytes, not by their name.
 *
 * - The EXIF orientation is applied.
 * - 16 bits a channel become 8; CMYK, palettes and grey become sRGB (or grey, for a network that takes one channel).
 * - Transparent pixels are composited on black, as the border of a crop is.
 * - Of an animated WebP the first frame is taken.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Sharp, SharpOptions } from "sharp";
import type { SampleShape } from "../dataset.ts";
import type { View } from "./view.ts";

/** Images with more pixels are refused: decoding one could take all memory. */
export const LARGEST_IMAGE_PIXELS = 100_000_000;
/**
 * Interlaced and rotated images lie in memory whole while they are decoded: so much of 8-bit RGB, less of more channels
 * or bits.
 */
const largestImageBytes = 3 * LARGEST_IMAGE_PIXELS;

type SharpFactory = (input: Buffer, options: SharpOptions) => Sharp;

let loading: Promise<SharpFactory> | undefined;

/**
 * Loads libvips, once. The main thread has to do so before a worker does: a native library that only a worker has
 * loaded goes with it. Each image is decoded by one thread, and nothing is cached: the training step needs the cores
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

/** Chooses the view once the size of the upright image is known. */
export type ChooseView = (size: { readonly width: number; readonly height: number }) => View;

export interface Decoded {
  /** Interleaved 8-bit [H,W,C], not mirrored. */
  readonly pixels: Uint8Array;
  readonly view: View;
}

/**
 * The part of the image in the file `path` (from `folder`) that `choose` picks, scaled to `shape` (Lanczos, with
 * anti-aliasing).
 * @throws Error with the reason if the file is no readable image; never a `UserError`, for one bad file stops nothing.
 */
export async function decodeImage(
  folder: string,
  path: string,
  shape: SampleShape,
  choose: ChooseView,
): Promise<Decoded> {
  return decodeBytes(await readFile(resolve(folder, path)), shape, choose);
}

/** As `decodeImage`, of an encoded image in memory. */
export async function decodeBytes(bytes: Buffer, shape: SampleShape, choose: ChooseView): Promise<Decoded> {
  if (!isKnownFormat(bytes)) {
    throw new Error(bytes.length === 0 ? "the file is empty" : "it is no JPEG, PNG or WebP file");
  }
  const sharp = await loadDecoder();
  const [channels, height, width] = shape;
  const options = { failOn: "truncated", limitInputPixels: LARGEST_IMAGE_PIXELS, page: 0 } as const;
  const open = (): Sharp => sharp(bytes, options);
  // The header alone, whatever size it tells: the refusal is ours.
  const {
    autoOrient,
    channels: ownChannels,
    depth,
  } = await sharp(bytes, { ...options, limitInputPixels: false }).metadata();
  refuseLarge(autoOrient, ownChannels * (depth === "ushort" ? 2 : 1));
  const view = choose(autoOrient);
  // The whole image is scaled so that the view gets the network's size, then the view is cut out. libvips computes only
  // what is asked for, and a JPEG that is scaled down as a whole is decoded at an eighth, a quarter or half of its
  // size.
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
    `its ${height}x${width} pixels would take ${millions(pixels * pixelBytes)} MB; at most ${millions(LARGEST_IMAGE_PIXELS)} million pixels ` +
      `and ${millions(largestImageBytes)} MB are decoded: scale it down, or save it as 8-bit RGB`,
  );
}

/** True for the first bytes of a JPEG, PNG or WebP file. */
function isKnownFormat(bytes: Buffer): boolean {
  const startsWith = (at: number, text: string): boolean =>
    bytes.subarray(at, at + text.length).toString("latin1") === text;
  return (
    startsWith(0, "\xff\xd8\xff") ||
    startsWith(0, "\x89PNG\r\n\x1a\n") ||
    (startsWith(0, "RIFF") && startsWith(8, "WEBP"))
  );
}

/** The reason of a failed decode, in one line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split("\n")[0] ?? text;
}
