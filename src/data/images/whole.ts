/**
 * Images that have the network's size already, for a network that learns its own outputs. They are shown as they are,
 * and mirrored: crops that are scaled up are smoother than the images that the network was made for, and their shapes
 * are larger.
 */
import type { AreaCrop, FileList, SampleShape } from "../dataset.ts";
import { openImage } from "./decode.ts";
import { bytesOf } from "./depth.ts";

/** Images whose size is read. */
const MOST_SIZES = 64;

/** All of an image of `shape`. */
export function wholeImages([, height, width]: SampleShape): AreaCrop {
  const aspect = width / height;
  return { area: [1, 1], aspect: [aspect, aspect], flip: true, colour: 0, noise: 0 };
}

/** Whether all of a sample of the images in `list` that can be read have the height and width of `sampleShape`. */
export async function haveSize({
  sampleShape: [, height, width],
  ...list
}: Pick<FileList, "folder" | "files" | "store" | "sampleShape">): Promise<boolean> {
  const step = Math.max(1, Math.ceil(list.files.length / MOST_SIZES));
  let read = 0;
  for (const [at, file] of list.files.entries()) {
    if (at % step !== 0) continue;
    try {
      const { size } = await openImage(await bytesOf(list, file, file.bytes));
      if (size.height !== height || size.width !== width) return false;
      read++;
    } catch {
      // The batch that needs the image reports it.
    }
  }
  return read > 0;
}
