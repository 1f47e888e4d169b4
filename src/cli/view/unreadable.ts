/** Images that cannot be read, for people. */
import type { UnreadableImage } from "../../data/images/unreadable.ts";
import { plural } from "../../report/format.ts";

/** How many there are, then each with its reason; nothing if there are none. */
export function unreadableLines(images: readonly UnreadableImage[]): readonly string[] {
  if (images.length === 0) return [];
  return [
    `${plural(images.length, "image")} cannot be read:`,
    ...images.map(({ path, reason }) => `  ${path}: ${reason}`),
  ];
}
