/** Photos of CIFAR-10's training images. The test images are left alone: what is tried here may lead to changes. */
import { allocateSplit, type StoredSplit, sampleSize } from "../../src/data/dataset.ts";
import { openDataset } from "../../src/data/open.ts";

/** `count` photos from number `first` on, with their classes as labels. */
export async function photos(first: number, count: number): Promise<StoredSplit> {
  const { train } = await openDataset("cifar10");
  if (!("images" in train)) throw new Error("CIFAR-10 is in memory");
  const size = sampleSize(train.sampleShape);
  const split = allocateSplit(count, train.sampleShape);
  split.images.set(train.images.subarray(first * size, (first + count) * size));
  split.labels.set(train.labels.subarray(first, first + count));
  return split;
}
