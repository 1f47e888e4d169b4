/** Remote calls to a worker thread, as promises: the side of the caller and the side of the worker. */
import type { MessagePort, Worker } from "node:worker_threads";
import { type EspalierError, InternalError } from "./errors.ts";
import { fromPortable, type PortableError, toPortable } from "./portable-error.ts";
import { refusalOf } from "./system-errors.ts";

interface Call {
  readonly request: unknown;
  readonly response: unknown;
}

/**
 * By method: the types of its request and its response. `stop` ends the thread after all earlier calls are answered.
 */
export type CallTable<C> = { readonly [M in keyof C]: Call } & {
  readonly stop: { readonly request: undefined; readonly response: undefined };
};

/** A call under way, discriminated by `method`. */
type Request<C extends CallTable<C>> = {
  [M in keyof C]: { readonly id: number; readonly method: M; readonly argument: C[M]["request"] };
}[keyof C];

/** The answer to the request of the same `id`. */
type Reply =
  | { readonly id: number; readonly response: unknown }
  | { readonly id: number; readonly error: PortableError };

interface Pending {
  readonly resolve: (response: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Calls methods of `worker`, which answers in order. If the worker ends unexpectedly, every open and later call rejects
 * with an `InternalError`, or with the `UserError` of what the system refused. The worker keeps the process alive only
 * while a call is open.
 */
export class Requests<C extends CallTable<C>> {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #nextId = 0;
  #death: EspalierError | undefined;

  /** `name`: the name of the thread in messages. */
  constructor(worker: Worker, name: string) {
    this.#worker = worker;
    this.#ended = new Promise((resolve) => {
      worker.once("exit", (code) => {
        this.#die(new InternalError(`${name} ended with code ${code}`));
        resolve();
      });
    });
    worker.on("message", (reply: Reply) => this.#settle(reply));
    worker.once("error", (cause) =>
      this.#die(refusalOf(cause, { about: name }) ?? new InternalError(`${name} died: ${String(cause)}`, { cause })),
    );
    worker.unref();
  }

  /** Resolves when the thread has ended. Keeps the process alive until then. */
  ended(): Promise<void> {
    this.#worker.ref();
    return this.#ended;
  }

  get isAlive(): boolean {
    return this.#death === undefined;
  }

  /** Calls `method`. Rejects with the error that the worker threw, with its class and code. */
  call<M extends keyof C>(method: M, argument: C[M]["request"]): Promise<C[M]["response"]> {
    const answered = new Promise<unknown>((resolve, reject) => {
      if (this.#death !== undefined) throw this.#death;
      const id = this.#nextId++;
      this.#worker.postMessage({ id, method, argument });
      this.#pending.set(id, { resolve, reject });
      this.#worker.ref();
    });
    // The call table guarantees that the worker's handler of `method` returns this type.
    return answered as Promise<C[M]["response"]>;
  }

  /** Waits for all earlier calls, then ends the thread. */
  async stop(): Promise<void> {
    if (this.isAlive) await this.call("stop", undefined);
    await this.ended();
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if ("error" in reply) pending?.reject(fromPortable(reply.error));
    else pending?.resolve(reply.response);
  }

  #die(error: EspalierError): void {
    this.#death ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#death);
    this.#pending.clear();
  }
}

/** The worker's function for each method of `C`. */
export type Handlers<C extends CallTable<C>> = {
  readonly [M in keyof C]: (argument: C[M]["request"]) => C[M]["response"] | Promise<C[M]["response"]>;
};

/** Answers the calls that arrive at `port`, one after the other, until `stop`. */
export function answerRequests<C extends CallTable<C>>(port: MessagePort, handlers: Handlers<C>): void {
  let last: Promise<void> = Promise.resolve();
  port.on("message", (request: Request<C>) => {
    last = last.then(() => answer(port, handlers, request));
  });
}

async function answer<C extends CallTable<C>>(
  port: MessagePort,
  handlers: Handlers<C>,
  { id, method, argument }: Request<C>,
): Promise<void> {
  try {
    const response = await handlers[method](argument);
    port.postMessage({ id, response } satisfies Reply);
  } catch (error) {
    port.postMessage({ id, error: toPortable(error) } satisfies Reply);
  }
  // Only the open port keeps the thread alive.
  if (method === "stop") port.close();
}
