/** What an engine may still allocate: its own limit, less what its plans hold, and what the machine has left. */
import { availableMemory } from "../core/available-memory.ts";

/** Of what is available, this share is left to the rest of the process: batches, results, JavaScript's heap. */
const LEFT_ALONE = 0.05;

export class MemoryBudget {
  readonly #limit: number;
  #held = 0;

  /** `limit`: bytes that all plans may hold together. */
  constructor(limit: number = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
  }

  /** Bytes that one more plan may take. */
  available(): number {
    return Math.max(0, Math.min(this.#limit - this.#held, Math.floor(availableMemory() * (1 - LEFT_ALONE))));
  }

  /** Notes that a plan holds `bytes`; call the result when it gives them back. */
  hold(bytes: number): () => void {
    this.#held += bytes;
    return () => {
      this.#held -= bytes;
    };
  }
}
