/**
 * A priority queue of integers that contains each number at most once and returns the smallest first (a binary heap).
 */
export class Frontier {
  readonly #heap: number[] = [];
  readonly #waiting = new Set<number>();

  get size(): number {
    return this.#heap.length;
  }

  add(number: number): void {
    if (this.#waiting.has(number)) return;
    this.#waiting.add(number);
    let at = this.#heap.length;
    this.#heap.push(number);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((this.#heap[parent] ?? 0) <= number) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  /** Removes the smallest number and returns it; undefined if there is none. */
  take(): number | undefined {
    const [least] = this.#heap;
    const last = this.#heap.pop();
    if (least === undefined || last === undefined) return undefined;
    this.#waiting.delete(least);
    if (this.#heap.length === 0) return least;
    this.#heap[0] = last;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const lesser = (this.#heap[left + 1] ?? Number.POSITIVE_INFINITY) < (this.#heap[left] ?? 0) ? left + 1 : left;
      if ((this.#heap[lesser] ?? Number.POSITIVE_INFINITY) >= last) return least;
      this.#swap(at, lesser);
      at = lesser;
    }
  }

  clear(): void {
    this.#heap.length = 0;
    this.#waiting.clear();
  }

  #swap(a: number, b: number): void {
    const kept = this.#heap[a] ?? 0;
    this.#heap[a] = this.#heap[b] ?? 0;
    this.#heap[b] = kept;
  }
}
