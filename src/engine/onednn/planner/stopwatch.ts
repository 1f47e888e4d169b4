/** Measures the total time of timing kernels, and detects whether other work on the machine disturbed it. */

/** Repeated runs of a kernel count as disturbed if half of them took this many times as long as the fastest. */
const DISTURBED = 1.5;
/** If the share of disturbed timings is larger, choices are not trusted. */
const MOST_DISTURBED = 0.3;
/** Number of timings that are needed to judge. */
const FEWEST_NOTES = 4;
/** Runs shorter than this vary for other reasons, and are not judged. */
const SHORT = 0.05;

export class Stopwatch {
  readonly #limit: number;
  readonly #onProgress: (spent: number) => void;
  #spent = 0;
  #notes = 0;
  #disturbed = 0;

  /** `limit`: milliseconds until `isOver`. */
  constructor(limit: number = Number.POSITIVE_INFINITY, onProgress: (spent: number) => void = () => {}) {
    this.#limit = limit;
    this.#onProgress = onProgress;
  }

  get isOver(): boolean {
    return this.#spent >= this.#limit;
  }

  get wasDisturbed(): boolean {
    return this.#notes >= FEWEST_NOTES && this.#disturbed > MOST_DISTURBED * this.#notes;
  }

  /** Runs `work` and adds its time. */
  during<T>(work: () => T): T {
    const start = performance.now();
    try {
      return work();
    } finally {
      this.#spent += performance.now() - start;
      this.#onProgress(this.#spent);
    }
  }

  /** Judges repeated runs of one kernel, in milliseconds. */
  note(runs: readonly number[]): void {
    const sorted = runs.toSorted((a, b) => a - b);
    const [fastest = 0] = sorted;
    if (fastest < SHORT) return;
    this.#notes++;
    if ((sorted[sorted.length >> 1] ?? 0) > DISTURBED * fastest) this.#disturbed++;
  }
}
