/**
 * Images that cannot be read, as notices of the run: the first ones by name, then how many there were. They stop
 * nothing.
 */
import type { Dataset } from "../../data/dataset.ts";
import type { Emitter } from "../run-folder/run-writer.ts";

/** Images named before the rest is only counted. */
const NAMED = 10;

/** Emits a notice for each image of `dataset` that turns out to be unreadable from now on. */
export function tellUnreadable({ train, test }: Dataset, emitter: Emitter): void {
  for (const [split, fate] of [
    [train, "another image takes its place"],
    [test, "it is not scored"],
  ] as const) {
    if (!("files" in split)) continue;
    split.unreadable.listen(({ path, reason }, count) => {
      if (count <= NAMED) {
        emitter.emit({ type: "notice", message: `${path} cannot be read (${reason}); ${fate}` });
      }
    });
  }
}

/** Emits how many images were unreadable, if any were. */
export function countUnreadable({ train, test }: Dataset, emitter: Emitter): void {
  const [ofTrain, ofTest] = [train, test].map((split) => ("files" in split ? split.unreadable.count : 0));
  if (ofTrain === 0 && ofTest === 0) return;
  emitter.emit({
    type: "notice",
    message:
      `${ofTrain} of ${train.count} training images and ${ofTest} of ${test.count} test images could not be read; ` +
      '"espalier data" names them',
  });
}
