/**
 * Notices about images that cannot be read: the first ones by name, at the end their number. The run continues without
 * them.
 */
import type { Dataset } from "../../data/dataset.ts";
import type { UnreadableImage } from "../../data/images/unreadable.ts";
import type { Emitter } from "../run-folder/run-writer.ts";

/** Most images that are named; the others are only counted. */
const MOST_NAMED = 10;

/** Emits a notice for each image of `dataset` that cannot be read: those found before, and those found from now on. */
export function reportUnreadable({ train, test }: Dataset, emitter: Emitter): void {
  for (const [split, consequence] of [
    [train, "another image takes its place"],
    [test, "it is not scored"],
  ] as const) {
    if (!("files" in split)) continue;
    const report = ({ path, reason }: UnreadableImage, count: number): void => {
      if (count <= MOST_NAMED) {
        emitter.emit({ type: "notice", message: `${path} cannot be read (${reason}); ${consequence}` });
      }
    };
    for (const [index, image] of split.unreadable.images.entries()) report(image, index + 1);
    split.unreadable.listen(report);
  }
}

/** Emits the number of images that could not be read, if there are any. */
export function reportUnreadableCount({ train, test }: Dataset, emitter: Emitter): void {
  const [ofTrain, ofTest] = [train, test].map((split) => ("files" in split ? split.unreadable.count : 0));
  if (ofTrain === 0 && ofTest === 0) return;
  emitter.emit({
    type: "notice",
    message:
      `${ofTrain} of ${train.count} training images and ${ofTest} of ${test.count} test images could not be read; ` +
      '"espalier data" names them',
  });
}
