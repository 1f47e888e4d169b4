/**
 * An image file as normalised network input: decoded, augmented or cropped in the middle, written into a batch. What
 * happens to image i in epoch e is a function of (seed, e, i) and the file alone, as it is for stored images.
 */
import { UserError } from "../../core/errors.ts";
import { type AreaCrop, type FileList, type Normalization, sampleSize } from "../dataset.ts";
import { meanColour, randomColour, writePixels } from "./colour.ts";
import { type ChooseView, decodeBytes, decodeImage, reasonOf } from "./decode.ts";
import type { UnreadableImage } from "./unreadable.ts";
import { centreView, randomView } from "./view.ts";

/** Images decoded at once by one thread of JavaScript: while one is written, libvips decodes the other. */
const LANES = 2;
/** So many unreadable images in a row are no accident: the disk is gone, or these are no images. */
const HOPELESS = 100;

/** Who asks for an augmented image; without it the centre crop is made. */
export interface Draw {
  readonly augmentation: AreaCrop;
  readonly seed: number;
  readonly epoch: number;
}

/**
 * Writes image `index` of `list` at `target` in `output`.
 * @throws Error with the reason if the file is not readable.
 */
export async function writeImage(
  list: FileList,
  index: number,
  normalization: Normalization,
  draw: Draw | undefined,
  output: Float32Array,
  target: number,
): Promise<void> {
  const { folder, files, sampleShape, centreCrop, store } = list;
  const [channels, height, width] = sampleShape;
  const { path = "", at, bytes = 0 } = files[index] ?? {};
  const choose: ChooseView = (size) =>
    draw === undefined
      ? centreView(size, { width, height }, centreCrop)
      : randomView(size, draw.augmentation, draw.seed, draw.epoch, index);
  const { pixels, view } =
    store === undefined || at === undefined
      ? await decodeImage(folder, path, sampleShape, choose)
      : // A copy, for libvips takes no shared memory.
        await decodeBytes(Buffer.from(store.subarray(at, at + bytes)), sampleShape, choose);
  const colour =
    draw === undefined || channels !== 3
      ? undefined
      : randomColour(draw.augmentation, meanColour(pixels), draw.seed, draw.epoch, index);
  writePixels(pixels, output, target, sampleShape, normalization, view.mirrored, colour);
}

/** Calls `work` for 0 … count − 1, a few at a time. */
export async function inLanes(count: number, work: (item: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/**
 * Fills a training batch with the images `indices` of `list`. In place of one that cannot be read stands the next of
 * the list that can: the list is mixed, so that is any image, and always the same one.
 * @returns the images that were not readable.
 * @throws UserError "bad-file" if there are too many of them in a row.
 */
export async function fillFromFiles(
  list: FileList,
  indices: Int32Array,
  normalization: Normalization,
  draw: Draw | undefined,
  images: Float32Array,
  labels: Int32Array,
): Promise<readonly UnreadableImage[]> {
  const size = sampleSize(list.sampleShape);
  const unreadable: UnreadableImage[] = [];
  await inLanes(indices.length, async (slot) => {
    const wanted = indices[slot] ?? 0;
    for (let offset = 0; offset < Math.min(HOPELESS, list.count); offset++) {
      const index = (wanted + offset) % list.count;
      try {
        await writeImage(list, index, normalization, draw, images, slot * size);
        labels[slot] = list.labels[index] ?? 0;
        return;
      } catch (error) {
        unreadable.push({ path: list.files[index]?.path ?? "", reason: reasonOf(error) });
      }
    }
    throw hopeless(list.folder, unreadable);
  });
  return unreadable;
}

function hopeless(folder: string, unreadable: readonly UnreadableImage[]): UserError {
  const last = unreadable.at(-1);
  return new UserError("bad-file", `image after image cannot be read; the last was ${last?.path}: ${last?.reason}`, {
    about: folder,
    hint: "Is the disk still there? `espalier data` on the same folder names every image that cannot be read",
  });
}
