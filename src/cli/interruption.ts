/**
 * Ctrl-C: the first one asks the work to stop where it can be continued, the second ends the process at once. A closed
 * pipe (`espalier train … | head`) asks for the same as the first, and so does output that cannot be written.
 */
import type { EspalierError } from "../core/errors.ts";
import { EXIT } from "./failure.ts";

/**
 * SIGHUP is sent as the terminal closes; the last is what launchers hand on to their processes, and what Slurm sends
 * before the time is up.
 */
const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"] as const;

export class Interruption {
  readonly #controller = new AbortController();
  #isGuarding = false;
  #failure: EspalierError | undefined;

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
    for (const name of signals) process.on(name, onSignal);
    this.#isGuarding = true;
    try {
      return await work();
    } finally {
      this.#isGuarding = false;
      for (const name of signals) process.off(name, onSignal);
    }
  }

  /** Why nothing can be printed any more, if that is so. */
  get failure(): EspalierError | undefined {
    return this.#failure;
  }

  /**
   * Our output cannot be written: stops work that can be continued. @returns false if nothing is under way that would
   * be.
   */
  outputFailed(error: EspalierError): boolean {
    const isFirst = this.#failure === undefined;
    this.#failure ??= error;
    if (this.#isGuarding) this.#controller.abort();
    return this.#isGuarding || !isFirst;
  }

  /** Whoever read our output has gone: stop work that can be continued, or leave quietly. */
  outputClosed(): void {
    if (this.#isGuarding) this.#controller.abort();
    else if (!this.signal.aborted) process.exit(EXIT.ok);
  }
}
