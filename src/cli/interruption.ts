/**
 * Handles Ctrl-C. The first one stops the work at a point from which it can be resumed, the second ends the process at
 * once. A closed pipe (`espalier train … | head`) and a failed write to the output act like the first Ctrl-C.
 */
import type { EspalierError } from "../core/errors.ts";
import { EXIT } from "./failure.ts";

/**
 * Signals that act like Ctrl-C. A closing terminal sends SIGHUP. Slurm sends SIGUSR2 before the time limit, and MPI
 * launchers forward it to their processes.
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

  /** The error of the first failed write to the output; undefined if there was none. */
  get failure(): EspalierError | undefined {
    return this.#failure;
  }

  /**
   * Records that writing to the output failed, and stops guarded work.
   * @returns false if there is no guarded work, so that the caller has to end the process.
   */
  outputFailed(error: EspalierError): boolean {
    const isFirst = this.#failure === undefined;
    this.#failure ??= error;
    if (this.#isGuarding) this.#controller.abort();
    return this.#isGuarding || !isFirst;
  }

  /** The reader of our output has closed the pipe: stops guarded work, or else ends the process without an error. */
  outputClosed(): void {
    if (this.#isGuarding) this.#controller.abort();
    else if (!this.signal.aborted) process.exit(EXIT.ok);
  }
}
