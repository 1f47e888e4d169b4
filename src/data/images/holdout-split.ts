/**
 * Chooses the images that are held out for testing if the data has no test split, and the order of all images. Both
 * depend only on the order of the files and a seed. The order mixes the classes, so that the first n images of a split
 * are a fair sample of it.
 */
import { RandomStream } from "../../core/random.ts";
import type { LabelledFile } from "./classes.ts";

/** Fixed seed of the order: the order depends on the list of files alone. */
const ORDER_SEED = 1;

/**
 * Splits `files` in two. The same fraction `share` of each class, rounded, goes to `test`. Each split gets at least one
 * image of every class unless `share` is 0 or 1; the only image of a class is for training.
 */
export function holdOut(
  files: readonly LabelledFile[],
  classes: readonly string[],
  share: number,
  seed: number,
): { readonly train: readonly LabelledFile[]; readonly test: readonly LabelledFile[] } {
  const train: LabelledFile[] = [];
  const test: LabelledFile[] = [];
  const byClass = new Map<string, LabelledFile[]>(classes.map((className) => [className, []]));
  for (const file of files) byClass.get(file.className)?.push(file);
  for (const [label, ofClass] of [...byClass.values()].entries()) {
    const isSplit = share > 0 && share < 1;
    const held = Math.round(ofClass.length * share);
    const count = isSplit ? Math.min(Math.max(held, 1), ofClass.length - 1) : held;
    const order = new RandomStream(seed, "hold-out", label).permutation(ofClass.length);
    const isHeld = new Set(order.subarray(0, count));
    for (const [index, file] of ofClass.entries()) (isHeld.has(index) ? test : train).push(file);
  }
  return { train, test };
}

/** `files` in an order that is independent of their classes. */
export function shuffled<T>(files: readonly T[]): readonly T[] {
  const order = new RandomStream(ORDER_SEED, "file-order").permutation(files.length);
  return Array.from(order, (index) => files[index]).filter((file) => file !== undefined);
}
