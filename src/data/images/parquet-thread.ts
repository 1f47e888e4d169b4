/**
 * Reads Parquet files in a thread of its own, within limits of time and memory. Counts and sizes inside a page control
 * the reader's loops and allocations, and only the reader sees them: a few damaged bytes (a page without its size) can
 * keep it busy forever or fill the memory. The main thread can stop this thread.
 */
import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { UserError } from "../../core/errors.ts";
import { fromPortable } from "../../core/portable-error.ts";
import { spawnWorker } from "../../core/worker.ts";
import type { TableRequest, TableRows } from "./parquet-table.ts";
import type { ParquetMessage } from "./parquet-worker.ts";

export interface ThreadLimits {
  /** The longest time for one piece of a file (at most 1024 rows), in seconds; default 120. */
  readonly seconds?: number;
  /** The largest JavaScript heap of the thread, in megabytes; default 512. Encoded images are not part of the heap. */
  readonly megabytes?: number;
}

/** Seconds between two checks of the time limit. */
const CHECK_SECONDS = 0.2;

export class ParquetThread {
  readonly #seconds: number;
  readonly #megabytes: number;
  #worker: Worker | undefined;

  constructor({ seconds = 120, megabytes = 512 }: ThreadLimits = {}) {
    this.#seconds = seconds;
    this.#megabytes = megabytes;
  }

  /**
   * Runs `readTable` in the thread, for one file at a time. Throws as `readTable` does, and `UserError` "bad-file" if
   * the thread exceeds its limits. The next file then gets a new thread.
   */
  async read(request: TableRequest, onRows: (rows: TableRows) => void): Promise<readonly string[] | undefined> {
    const worker = this.#worker ?? (await this.#start());
    try {
      return await this.#follow(worker, request, onRows);
    } finally {
      worker.removeAllListeners("message").removeAllListeners("error");
      worker.unref();
    }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  async #start(): Promise<Worker> {
    const worker = spawnWorker(import.meta.url, "./parquet-worker", {
      resourceLimits: { maxOldGenerationSizeMb: this.#megabytes },
    });
    this.#worker = worker;
    // Wait until the thread has started: start-up on a busy machine does not count towards the first file's time.
    try {
      await once(worker, "message");
    } catch (error) {
      // Do not send the next file to a thread that has ended.
      await this.close();
      throw error;
    }
    return worker;
  }

  #follow(
    worker: Worker,
    request: TableRequest,
    onRows: (rows: TableRows) => void,
  ): Promise<readonly string[] | undefined> {
    const { path } = request;
    return new Promise((resolve, reject) => {
      // Seconds without a row. The timer counts only while this process runs, so time in which it was stopped does not
      // count.
      let waited = 0;
      const clock = setInterval(() => {
        waited += CHECK_SECONDS;
        if (waited > this.#seconds) fail(overLimit(path, `after ${this.#seconds} s without a row`));
      }, 1000 * CHECK_SECONDS);
      const fail = (error: unknown): void => {
        clearInterval(clock);
        this.close().then(() => reject(error), reject);
      };
      worker.on("message", (message: ParquetMessage) => {
        waited = 0;
        if ("isUp" in message) return;
        if ("rows" in message) {
          onRows(message.rows);
          return;
        }
        clearInterval(clock);
        if ("error" in message) reject(fromPortable(message.error));
        else resolve(message.names);
      });
      worker.on("error", (error) => {
        const isFull = "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
        fail(isFull ? overLimit(path, `at ${this.#megabytes} MB`) : error);
      });
      worker.ref();
      worker.postMessage(request);
    });
  }
}

function overLimit(path: string, when: string): UserError {
  return new UserError("bad-file", `the file is damaged: its reader was stopped ${when}`, {
    about: path,
    hint: "Copy or export it again; if the file is valid, use smaller row groups",
  });
}
