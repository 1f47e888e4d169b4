/**
 * Ctrl-C: the first one asks the work to stop where it can be continued, the second ends the process at once. A closed
 * pipe (`espalier train … | head`) asks for the same as the first.
 */
import { EXIT } from "./failure.ts";

export class Interruption {
  readonly #controller = new AbortController();
  #isGuarding = false;

  /** Aborted by the first Ctrl-C while work is guarded. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** While `work` runs, Ctrl-C aborts `signal` and calls `onFirst`; otherwise it ends the process. */
  async guard<T>(onFirst: () => void, work: () => Promise<T>): Promise<T> {
    const onSignal = (): void => {
      if (this.signal.aborted) process.exit(EXIT.interrupted);
      this.#controller.abort();
      onFirst();
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
    this.#isGuarding = true;
    try {
      return await work();
    } finally {
      this.#isGuarding = false;
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    }
  }

  /** Whoever read our output has gone: stop work that can be continued, or leave quietly. */
  outputClosed(): void {
    if (this.#isGuarding) this.#controller.abort();
    else if (!this.signal.aborted) process.exit(EXIT.ok);
  }
}
