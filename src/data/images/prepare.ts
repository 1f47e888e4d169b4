/**
 * Turns an image file into normalised network input: decodes it, augments it or crops its centre, and writes it into a
 * batch. The result for image i in epoch e depends only on (seed, e, i) and the file, as for stored images.
 */
import { UserError } from "../../core/errors.ts";
import { type AreaCrop, type FileList, type Normalization, sampleSize } from "../dataset.ts";
import { meanColour, randomColour, writePixels } from "./colour.ts";
import { type ChooseView, decodeBytes, decodeImage, reasonOf } from "./decode.ts";
import type { UnreadableImage } from "./unreadable.ts";
import { centreView, randomView } from "./view.ts";

/** Images that one JavaScript thread decodes at once: while it writes one, libvips decodes the other. */
const IMAGES_AT_ONCE = 2;
/** This many unreadable images in a row are an error: the disk is gone, or the files are not images. */
const MOST_UNREADABLE_IN_A_ROW = 100;

/** The parameters of a random augmentation. Without them the centre crop is made. */
export interface RandomAugmentation {
  readonly augmentation: AreaCrop;
  readonly seed: number;
  readonly epoch: number;
}

/**
 * Writes image `index` of `list` to `target` in `output`.
 * @throws Error with the reason if the file cannot be read.
 */
export async function writeImage(
  list: FileList,
  index: number,
  normalization: Normalization,
  draw: RandomAugmentation | undefined,
  output: Float32Array,
  target: number,
): Promise<void> {
  const { folder, files, sampleShape, centreCrop, store, white } = list;
  const [channels, height, width] = sampleShape;
  const { path = "", at, bytes = 0 } = files[index] ?? {};
  const choose: ChooseView = (size) =>
    draw === undefined
      ? centreView(size, { width, height }, centreCrop)
      : randomView(size, draw.augmentation, draw.seed, draw.epoch, index);
  const { pixels, view } =
    store === undefined || at === undefined
      ? await decodeImage(folder, path, sampleShape, choose, white)
      : // Copy the bytes: libvips does not accept shared memory.
        await decodeBytes(Buffer.from(store.subarray(at, at + bytes)), sampleShape, choose, white);
  const colour =
    draw === undefined || channels !== 3
      ? undefined
      : randomColour(draw.augmentation, meanColour(pixels), draw.seed, draw.epoch, index);
  writePixels(pixels, output, target, sampleShape, normalization, view.mirrored, colour);
}

/** Calls `work` for 0 … count − 1, a few at a time. */
export async function concurrently(count: number, work: (item: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: IMAGES_AT_ONCE }, lane));
}

/**
 * Fills a training batch with the images `indices` of `list`. An unreadable image is replaced by the next readable one
 * of the list: the list is shuffled, so that is an arbitrary image, and always the same one. `take` hears which image
 * of the list a slot of the batch got.
 * @returns the unreadable images.
 * @throws UserError "bad-file" if too many images in a row are unreadable.
 */
export async function fillFromFiles(
  list: FileList,
  indices: Int32Array,
  normalization: Normalization,
  draw: RandomAugmentation | undefined,
  images: Float32Array,
  take: (slot: number, image: number) => void,
): Promise<readonly UnreadableImage[]> {
  const size = sampleSize(list.sampleShape);
  const unreadable: UnreadableImage[] = [];
  await concurrently(indices.length, async (slot) => {
    const wanted = indices[slot] ?? 0;
    for (let offset = 0; offset < Math.min(MOST_UNREADABLE_IN_A_ROW, list.count); offset++) {
      const index = (wanted + offset) % list.count;
      try {
        await writeImage(list, index, normalization, draw, images, slot * size);
        take(slot, index);
        return;
      } catch (error) {
        unreadable.push({ path: list.files[index]?.path ?? "", reason: reasonOf(error) });
      }
    }
    throw tooManyUnreadable(list.folder, unreadable);
  });
  return unreadable;
}

function tooManyUnreadable(folder: string, unreadable: readonly UnreadableImage[]): UserError {
  const last = unreadable.at(-1);
  return new UserError("bad-file", `too many images in a row cannot be read; last, ${last?.path}: ${last?.reason}`, {
    about: folder,
    hint: "Check that the disk is still connected; `espalier data` lists every image that cannot be read",
  });
}
