/**
 * A thread for tasks over all weights, so that they do not block the event loop of the process: the terminal, signals
 * and batches do not wait while a checkpoint of 100 MB is written.
 */
import { Requests } from "../../core/requests.ts";
import { spawnWorker } from "../../core/worker.ts";
import type { BackgroundCalls } from "./background-tasks.ts";

export class Background {
  readonly #requests: Requests<BackgroundCalls> = new Requests(
    spawnWorker(import.meta.url, "background-worker"),
    "the thread beside the engine's",
  );

  /**
   * Does a task of `background-tasks.ts` in the thread, one after the other. Weights in shared memory, such as those
   * read from an `EngineHost`, are sent without a copy. Rejects with the error that the task throws.
   */
  call<M extends keyof BackgroundCalls>(
    task: M,
    request: BackgroundCalls[M]["request"],
  ): Promise<BackgroundCalls[M]["response"]> {
    return this.#requests.call(task, request);
  }

  /** Finishes the requested tasks and ends the thread. */
  async dispose(): Promise<void> {
    await this.#requests.stop();
  }
}
