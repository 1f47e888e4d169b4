/**
 * How far timing kernels has come, for whoever waits for it: numbers in shared memory, for the engine's thread answers
 * nothing while it prepares a plan.
 */
export class TuningClock {
  readonly buffer: SharedArrayBuffer;
  readonly #milliseconds: Int32Array;

  /** `buffer`: another clock's, to write or read the same numbers. */
  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#milliseconds = new Int32Array(buffer);
  }

  /** Milliseconds of the plan that is being prepared, or was last. */
  set(spent: number, limit: number): void {
    Atomics.store(this.#milliseconds, 0, Math.round(spent));
    Atomics.store(this.#milliseconds, 1, Math.round(limit));
  }

  get spent(): number {
    return Atomics.load(this.#milliseconds, 0);
  }

  /** At most so many; 0 before anything is timed. */
  get limit(): number {
    return Atomics.load(this.#milliseconds, 1);
  }
}
