/** A peer of the benches in another process, asked line by line: it computes only when told to, so rounds interleave. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { z } from "zod";

export class Peer {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  private constructor(process: ChildProcess, reader: Interface) {
    this.#process = process;
    this.#reader = reader;
    this.#lines = reader[Symbol.asyncIterator]();
  }

  /** Starts `bench/peers/<script>`; undefined where Python (or `ESPALIER_PYTHON`) has no PyTorch. */
  static async start(script: string, parameters: readonly string[]): Promise<Peer | undefined> {
    const python = process.env["ESPALIER_PYTHON"] ?? "python3";
    const probe = spawn(python, ["-c", "import torch"], { stdio: "ignore" });
    const hasTorch = await Promise.race([
      once(probe, "exit").then(([code]) => code === 0),
      once(probe, "error").then(() => false),
    ]);
    if (!hasTorch) return undefined;
    const path = fileURLToPath(new URL(`peers/${script}`, import.meta.url));
    const child = spawn(python, [path, ...parameters], { stdio: ["pipe", "pipe", "inherit"] });
    return new Peer(child, createInterface({ input: child.stdout }));
  }

  /** The next line it prints, by `schema`. */
  async read<T>(schema: z.ZodType<T>): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the peer ended before it answered");
    return schema.parse(JSON.parse(value));
  }

  async ask<T>(request: unknown, schema: z.ZodType<T>): Promise<T> {
    this.#process.stdin?.write(`${JSON.stringify(request)}\n`);
    return this.read(schema);
  }

  stop(): void {
    this.#reader.close();
    this.#process.stdin?.end();
  }
}
