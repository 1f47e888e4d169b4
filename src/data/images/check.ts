/** Decodes every image of a split once, to find unreadable ones before a run uses them. */
import { type FileSplit, sampleSize } from "../dataset.ts";
import { reasonOf } from "./decode.ts";
import { concurrently, writeImage } from "./prepare.ts";

/**
 * Records the images that cannot be decoded in `split.unreadable`. Calls `onProgress` with the number of images checked
 * so far.
 */
export async function checkImages(split: FileSplit, onProgress: (done: number) => void = () => {}): Promise<void> {
  const size = sampleSize(split.sampleShape);
  const none = Array<number>(split.sampleShape[0]).fill(0);
  const normalization = { mean: none, standardDeviation: none.map(() => 1) };
  // The pixels are not used, so all images are written to the same place.
  const scratch = new Float32Array(size);
  let done = 0;
  await concurrently(split.count, async (index) => {
    try {
      await writeImage(split, index, normalization, undefined, scratch, 0);
    } catch (error) {
      split.unreadable.add({ path: split.files[index]?.path ?? "", reason: reasonOf(error) });
    }
    onProgress(++done);
  });
}
