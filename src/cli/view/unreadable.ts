/** Lists images that cannot be read. */
import type { UnreadableImage } from "../../data/images/unreadable.ts";
import { plural } from "../../report/format.ts";

/** A line with their number, then a line for each with its reason. Empty if there are none. */
export function unreadableLines(images: readonly UnreadableImage[]): readonly string[] {
  if (images.length === 0) return [];
  return [
    `${plural(images.length, "image")} cannot be read:`,
    ...images.map(({ path, reason }) => `  ${path}: ${reason}`),
  ];
}
