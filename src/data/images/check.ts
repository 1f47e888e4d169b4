/** Decodes every image of a split once, to find those that cannot be read before a run meets them. */
import { type FileSplit, sampleSize } from "../dataset.ts";
import { reasonOf } from "./decode.ts";
import { inLanes, writeImage } from "./prepare.ts";

/** Notes in `split.unreadable` what cannot be decoded; `onProgress` hears how many images were looked at. */
export async function checkImages(split: FileSplit, onProgress: (done: number) => void = () => {}): Promise<void> {
  const size = sampleSize(split.sampleShape);
  const none = Array<number>(split.sampleShape[0]).fill(0);
  const normalization = { mean: none, standardDeviation: none.map(() => 1) };
  // Nobody looks at what is written: all images go to the same place.
  const scratch = new Float32Array(size);
  let done = 0;
  await inLanes(split.count, async (index) => {
    try {
      await writeImage(split, index, normalization, undefined, scratch, 0);
    } catch (error) {
      split.unreadable.add({ path: split.files[index]?.path ?? "", reason: reasonOf(error) });
    }
    onProgress(++done);
  });
}
