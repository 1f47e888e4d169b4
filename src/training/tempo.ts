/** How fast the run is: since the last report, and on the whole. */
import { performance } from "node:perf_hooks";

const REPORT_MILLISECONDS = 500;

export class Tempo {
  readonly #batch: number;
  #startedAt = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #steps = 0;
  #recent = { steps: 0, milliseconds: 0, waited: 0 };

  /** `batch`: images of a step. */
  constructor(batch: number) {
    this.#batch = batch;
  }

  /** From now on; begun again where steps will take another time. */
  start(): void {
    this.#steps = 0;
    this.#startedAt = performance.now();
  }

  /** One step took `milliseconds`, of which it waited `waited` for its batch. */
  add(milliseconds: number, waited: number): void {
    this.#steps++;
    const { steps, milliseconds: time, waited: wait } = this.#recent;
    this.#recent = { steps: steps + 1, milliseconds: time + milliseconds, waited: wait + waited };
  }

  isReportDue(): boolean {
    return performance.now() - this.#reportedAt >= REPORT_MILLISECONDS;
  }

  /** Since the last report; `stepMilliseconds` is the mean since the start, with everything between steps in it. */
  report(): { readonly imagesPerSecond: number; readonly waitMilliseconds: number; readonly stepMilliseconds: number } {
    const { steps, milliseconds, waited } = this.#recent;
    const now = performance.now();
    this.#recent = { steps: 0, milliseconds: 0, waited: 0 };
    this.#reportedAt = now;
    return {
      imagesPerSecond: milliseconds > 0 ? (1000 * steps * this.#batch) / milliseconds : 0,
      waitMilliseconds: steps > 0 ? waited / steps : 0,
      stepMilliseconds: this.#steps > 0 ? (now - this.#startedAt) / this.#steps : 0,
    };
  }
}
