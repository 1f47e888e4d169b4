/**
 * A thread beside the engine's for whatever goes over all weights, so that the event loop of the process stays free:
 * the terminal is drawn, signals are heard and batches are handed on while a checkpoint of 100 MB is written.
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
   * Has a task of `background-tasks.ts` done; tasks are done one after the other. Weights are sent without a copy if
   * they lie in shared memory, as those do that an `EngineHost` reads. Rejects with what the task throws.
   */
  call<M extends keyof BackgroundCalls>(
    task: M,
    request: BackgroundCalls[M]["request"],
  ): Promise<BackgroundCalls[M]["response"]> {
    return this.#requests.call(task, request);
  }

  /** Finishes the tasks asked for so far and ends the thread. */
  async dispose(): Promise<void> {
    await this.#requests.stop();
  }
}
