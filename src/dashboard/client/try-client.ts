/** Calls the worker of `try-worker.ts` from the page. */
import type { Backend, NetworkRole, TryAnswer, TryRequest } from "./try-protocol.ts";

type Body = TryRequest extends infer R ? (R extends { readonly id: number } ? Omit<R, "id"> : never) : never;

export class TryRunner {
  readonly #worker = new Worker(new URL("./try-worker.ts", import.meta.url), { type: "module" });
  readonly #waiting = new Map<number, (answer: TryAnswer) => void>();
  #next = 0;

  constructor() {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<TryAnswer>) => {
      this.#waiting.get(data.id)?.(data);
      this.#waiting.delete(data.id);
    });
    this.#worker.addEventListener("error", ({ message }) => {
      for (const [id, settle] of this.#waiting) settle({ id, error: message || "the worker could not be started" });
      this.#waiting.clear();
    });
  }

  async #ask(body: Body): Promise<Exclude<TryAnswer, { readonly error: string }>> {
    const id = this.#next++;
    const answer = await new Promise<TryAnswer>((settle) => {
      this.#waiting.set(id, settle);
      this.#worker.postMessage({ ...body, id });
    });
    if ("error" in answer) throw new Error(answer.error);
    return answer;
  }

  /** @returns the file's size in bytes. */
  async load(role: NetworkRole, address: string, backend: Backend): Promise<number> {
    const answer = await this.#ask({ kind: "load", role, address, backend });
    return "bytes" in answer ? answer.bytes : 0;
  }

  async logits(role: NetworkRole, input: Float32Array, shape: readonly number[]): Promise<Float32Array> {
    const answer = await this.#ask({ kind: "run", role, input, shape });
    return "logits" in answer ? answer.logits : new Float32Array();
  }

  /** Time of each of `runs` runs after warm-up, in milliseconds. */
  async time(
    role: NetworkRole,
    input: Float32Array,
    shape: readonly number[],
    runs: number,
  ): Promise<readonly number[]> {
    const answer = await this.#ask({ kind: "time", role, input, shape, runs });
    return "milliseconds" in answer ? answer.milliseconds : [];
  }

  close(): void {
    this.#worker.terminate();
  }
}
