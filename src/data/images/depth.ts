/**
 * Finds how many of their 16 bits images use. Cameras and scanners write 10, 12 or 14 bits into 16, and such images are
 * almost black if all 16 bits count. One white holds for all images of a dataset, so that their brightness stays
 * comparable.
 */
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import type { FileList, ImageFile } from "../dataset.ts";
import { readRegular } from "../files.ts";
import { FULL_WHITE, openImage } from "./decode.ts";
import { formatOf, HEADER_BYTES } from "./formats.ts";

/** Images whose first bytes are read, and 16-bit ones among them whose values are. */
const MOST_HEADERS = 256;
const MOST_IMAGES = 24;
/** Images that use more bits than this are taken to use all 16. */
const MOST_STRETCHED_BITS = 14;
const FEWEST_BITS = 8;

/** The 16-bit images of a dataset. */
export interface Depth {
  /** The largest value found. */
  readonly largest: number;
  /** The value that becomes 255: the largest of as many bits as the images use. */
  readonly white: number;
}

/** The depth of the 16-bit images among a sample of `list`; undefined if there are none. */
export async function depthOf(list: Pick<FileList, "folder" | "files" | "store">): Promise<Depth | undefined> {
  const step = Math.max(1, Math.floor(list.files.length / MOST_HEADERS));
  let [largest, images] = [-1, 0];
  for (let at = 0; at < list.files.length && images < MOST_IMAGES; at += step) {
    const file = list.files[at];
    if (file === undefined || !mayBeDeep(await bytesOf(list, file, HEADER_BYTES))) continue;
    const found = await largestOf(await bytesOf(list, file, file.bytes));
    if (found === undefined) continue;
    largest = Math.max(largest, found);
    images++;
  }
  return images === 0 ? undefined : { largest, white: whiteOf(largest) };
}

/** The white for images whose largest value is `largest`. */
export function whiteOf(largest: number): number {
  const bits = Math.max(FEWEST_BITS, Math.ceil(Math.log2(largest + 1)));
  return bits > MOST_STRETCHED_BITS ? FULL_WHITE : 2 ** bits - 1;
}

/** A TIFF keeps its depth anywhere in the file; the header of a PNG has it at a fixed place. */
function mayBeDeep(header: Buffer): boolean {
  const format = formatOf(header);
  return format === "tiff" || (format === "png" && header[24] === 16);
}

/** The largest value of a 16-bit image, without its transparency; undefined for another or an unreadable image. */
async function largestOf(bytes: Buffer): Promise<number | undefined> {
  try {
    const { open: decode, isDeep, hasAlpha } = await openImage(bytes);
    if (!isDeep) return undefined;
    const { channels } = await decode().stats();
    return Math.max(...channels.slice(0, hasAlpha ? -1 : undefined).map(({ max }) => max));
  } catch {
    // The batch that needs the image reports it.
    return undefined;
  }
}

/** The first bytes of an image, at most `most`; none if it cannot be read, which the batch that needs it reports. */
export async function bytesOf(
  { folder, store }: Pick<FileList, "folder" | "store">,
  { path, at, bytes }: ImageFile,
  most: number,
): Promise<Buffer> {
  if (store !== undefined && at !== undefined) return Buffer.from(store.subarray(at, at + Math.min(bytes, most)));
  const place = resolve(folder, path);
  try {
    if (most >= bytes) return (await readRegular(place)) ?? Buffer.alloc(0);
    const file = await open(place);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(most), 0, most, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return Buffer.alloc(0);
  }
}
