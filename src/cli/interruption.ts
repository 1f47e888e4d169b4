/**
 * Ctrl-C: the first one asks the work to stop where it can be continued, the second ends the process at once. A closed
 * pipe (`espalier train … | head`) asks for the same as the first.
 */
import { EXIT } from "./failure.ts";

/** The last is what launchers hand on to their processes, and what Slurm sends before the time is up. */
const signals = ["SIGINT", "SIGTERM", "SIGUSR2"] as const;

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
    for (const name of signals) process.on(name, onSignal);
    this.#isGuarding = true;
    try {
      return await work();
    } finally {
      this.#isGuarding = false;
      for (const name of signals) process.off(name, onSignal);
    }
  }

  /** Whoever read our output has gone: stop work that can be continued, or leave quietly. */
  outputClosed(): void {
    if (this.#isGuarding) this.#controller.abort();
    else if (!this.signal.aborted) process.exit(EXIT.ok);
  }
}
