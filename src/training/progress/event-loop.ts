/**
 * Measures how long the event loop of the process is blocked: the terminal and Ctrl-C wait that long. A timer notes how
 * late it is called. (Node's `monitorEventLoopDelay` forgets a delay in progress at each reset, and most delays come
 * just after an event was emitted and the value was reset.)
 */
import { performance } from "node:perf_hooks";

const PERIOD_MILLISECONDS = 10;

export class EventLoopWatch {
  #timer: NodeJS.Timeout | undefined;
  #calledAt = 0;
  #recent = 0;
  #longest = 0;

  /** Starts measuring. The timer does not keep the process alive. */
  start(): void {
    this.#calledAt = performance.now();
    this.#timer ??= setInterval(() => this.#note(), PERIOD_MILLISECONDS).unref();
  }

  /** Longest delay since the last call, in milliseconds, including the one in progress. */
  takeLongest(): number {
    this.#note();
    const longest = this.#recent;
    this.#recent = 0;
    return longest;
  }

  /** Longest delay since the start, in milliseconds. */
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
