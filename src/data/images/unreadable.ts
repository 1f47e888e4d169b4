/**
 * Image files that turned out not to be readable, by name and with the reason. One such list a split, filled as the
 * images are decoded: reading every image of a large dataset beforehand would take longer than an epoch.
 */

export interface UnreadableImage {
  readonly path: string;
  /** As the decoder or the system put it. */
  readonly reason: string;
}

export class Unreadable {
  readonly #found = new Map<string, UnreadableImage>();
  #listener: ((image: UnreadableImage, count: number) => void) | undefined;

  /** Those known so far, each once, in the order they were found. */
  get images(): readonly UnreadableImage[] {
    return [...this.#found.values()];
  }

  get count(): number {
    return this.#found.size;
  }

  /** Notes `image`; one that is known already changes nothing. */
  add(image: UnreadableImage): void {
    if (this.#found.has(image.path)) return;
    this.#found.set(image.path, image);
    this.#listener?.(image, this.#found.size);
  }

  /**
   * Calls `listener` for each image found from now on, with how many there are by then. There is one listener, the
   * last.
   */
  listen(listener: (image: UnreadableImage, count: number) => void): void {
    this.#listener = listener;
  }
}
