/** The asking side: calls to a worker thread as promises. */
import type { Worker } from "node:worker_threads";
import { InternalError } from "../core/errors.ts";
import { type Calls, fromPortable, type Method, type Reply } from "./protocol.ts";

interface Pending {
  readonly resolve: (response: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Calls to `worker`, which answers them in the order they were made. A worker that ends without being asked to rejects every
 * open and later call with an `InternalError`. The worker keeps the process alive only while a call is open.
 */
export class Requests {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #nextId = 0;
  #death: InternalError | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    this.#ended = new Promise((resolve) => {
      worker.once("exit", (code) => {
        this.#die(new InternalError(`the engine's thread ended with code ${code}`));
        resolve();
      });
    });
    worker.on("message", (reply: Reply) => this.#settle(reply));
    worker.once("error", (cause) =>
      this.#die(new InternalError(`the engine's thread died: ${String(cause)}`, { cause })),
    );
    worker.unref();
  }

  /** Resolves when the thread has ended; until then the process stays alive for it. */
  ended(): Promise<void> {
    this.#worker.ref();
    return this.#ended;
  }

  get isAlive(): boolean {
    return this.#death === undefined;
  }

  /** Asks for `method`; rejects with the error that the worker threw, class and code as they were. */
  call<M extends Method>(method: M, argument: Calls[M]["request"]): Promise<Calls[M]["response"]> {
    const answered = new Promise<unknown>((resolve, reject) => {
      if (this.#death !== undefined) throw this.#death;
      const id = this.#nextId++;
      this.#worker.postMessage({ id, method, argument });
      this.#pending.set(id, { resolve, reject });
      this.#worker.ref();
    });
    // The protocol's promise: the worker's handler of `method` returns this type.
    return answered as Promise<Calls[M]["response"]>;
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if ("error" in reply) pending?.reject(fromPortable(reply.error));
    else pending?.resolve(reply.response);
  }

  #die(error: InternalError): void {
    this.#death ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#death);
    this.#pending.clear();
  }
}
