/**
 * Parquet files read in a thread of its own, within limits. Counts and sizes inside a page say how often the reader
 * goes round and how much it makes room for, and only the reader itself sees them: a few damaged bytes (a page without
 * its size) keep it busy for ever, or fill the memory. The thread can be stopped from outside.
 */
import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { UserError } from "../../core/errors.ts";
import { fromPortable } from "../../core/portable-error.ts";
import { spawnWorker } from "../../core/worker.ts";
import type { TableRows } from "./parquet-table.ts";
import type { ParquetMessage } from "./parquet-worker.ts";

export interface ThreadLimits {
  /** How long the thread may work on one piece of a file (at most 1024 rows), in seconds; default 120. */
  readonly seconds?: number;
  /** What it may hold in JavaScript's heap, where encoded images are not, in megabytes; default 512. */
  readonly megabytes?: number;
}

/** Seconds between two looks at the thread. */
const LOOK = 0.2;

export class ParquetThread {
  readonly #seconds: number;
  readonly #megabytes: number;
  #worker: Worker | undefined;

  constructor({ seconds = 120, megabytes = 512 }: ThreadLimits = {}) {
    this.#seconds = seconds;
    this.#megabytes = megabytes;
  }

  /**
   * `readTable`, one file at a time. Throws what that throws, and `UserError` "bad-file" if the thread goes over its
   * limits; it is started again for the next file.
   */
  async read(path: string, onRows: (rows: TableRows) => void): Promise<readonly string[] | undefined> {
    const worker = this.#worker ?? (await this.#start());
    try {
      return await this.#follow(worker, path, onRows);
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
    // How long it takes to load on a busy machine is not held against the first file.
    try {
      await once(worker, "message");
    } catch (error) {
      // The next file is not to be sent to a thread that is no more.
      await this.close();
      throw error;
    }
    return worker;
  }

  #follow(worker: Worker, path: string, onRows: (rows: TableRows) => void): Promise<readonly string[] | undefined> {
    return new Promise((resolve, reject) => {
      // Seconds in which this process ran: time in which it was stopped is not held against the file.
      let waited = 0;
      const clock = setInterval(() => {
        waited += LOOK;
        if (waited > this.#seconds) fail(overLimit(path, `after ${this.#seconds} s without a row`));
      }, 1000 * LOOK);
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
      worker.postMessage(path);
    });
  }
}

function overLimit(path: string, when: string): UserError {
  return new UserError("bad-file", `the file is damaged: its reader was stopped ${when}`, {
    about: path,
    hint: "Copy or export it again, in row groups of fewer rows if it is sound",
  });
}
