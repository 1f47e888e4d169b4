/**
 * How free the event loop of the process is: whoever watches a run or wants to stop it waits as long as the loop is
 * held up. Measured by a timer that notes how late it is called. (Node's own `monitorEventLoopDelay` forgets at each
 * reset the delay under way, and what holds the loop up comes just after an event was told.)
 */
import { performance } from "node:perf_hooks";

const PERIOD_MILLISECONDS = 10;

export class EventLoopWatch {
  #timer: NodeJS.Timeout | undefined;
  #calledAt = 0;
  #recent = 0;
  #longest = 0;

  /** From now on; the timer does not keep the process alive. */
  start(): void {
    this.#calledAt = performance.now();
    this.#timer ??= setInterval(() => this.#note(), PERIOD_MILLISECONDS).unref();
  }

  /** Longest that the loop was held up since the last look, in milliseconds, what goes on now included. */
  look(): number {
    this.#note();
    const held = this.#recent;
    this.#recent = 0;
    return held;
  }

  /** Longest since the start, in milliseconds. */
  get longest(): number {
    this.#note();
    return this.#longest;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #note(): void {
    if (this.#timer === undefined) return;
    const now = performance.now();
    this.#recent = Math.max(this.#recent, now - this.#calledAt - PERIOD_MILLISECONDS);
    this.#longest = Math.max(this.#longest, this.#recent);
    this.#calledAt = now;
  }
}
