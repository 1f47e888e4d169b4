/**
 * How free the event loop of the process is: whoever watches a run or wants to stop it waits as long as the loop is held up. Measured by a
 * timer of Node's own that notes how late it is called.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";

/** The timer's period. What is noted is the time between two calls, so the period is in it. */
const PERIOD_MILLISECONDS = 10;

export class EventLoopWatch {
  readonly #delays = monitorEventLoopDelay({ resolution: PERIOD_MILLISECONDS });
  #longest = 0;

  start(): void {
    this.#delays.enable();
  }

  /** Longest that the loop was held up since the last look, in milliseconds; to the timer's period. */
  look(): number {
    const { count, max } = this.#delays;
    this.#delays.reset();
    const held = count === 0 ? 0 : Math.max(0, max / 1e6 - PERIOD_MILLISECONDS);
    this.#longest = Math.max(this.#longest, held);
    return held;
  }

  /** Longest since the start, in milliseconds. */
  get longest(): number {
    this.look();
    return this.#longest;
  }

  stop(): void {
    this.#delays.disable();
  }
}
