/**
 * The unreadable image files of a split, with the reasons. The list grows while images are decoded: reading every image
 * of a large dataset beforehand would take longer than an epoch.
 */

export interface UnreadableImage {
  readonly path: string;
  /** The message of the decoder or of the system. */
  readonly reason: string;
}

export class Unreadable {
  readonly #found = new Map<string, UnreadableImage>();
  #listener: ((image: UnreadableImage, count: number) => void) | undefined;

  /** The unreadable images so far, each once, in the order in which they were found. */
  get images(): readonly UnreadableImage[] {
    return [...this.#found.values()];
  }

  get count(): number {
    return this.#found.size;
  }

  /** Records `image`, unless it is recorded already. */
  add(image: UnreadableImage): void {
    if (this.#found.has(image.path)) return;
    this.#found.set(image.path, image);
    this.#listener?.(image, this.#found.size);
  }

  /** Calls `listener` with each image found from now on and the count so far. A new listener replaces the old one. */
  listen(listener: (image: UnreadableImage, count: number) => void): void {
    this.#listener = listener;
  }
}
