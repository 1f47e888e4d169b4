/**
 * A peer of the benches: another library in another process. It computes only on request, line by line, so rounds can
 * interleave. If a peer is missing, ends, or answers something unexpected, that is a `PeerError`: the bench prints it
 * and continues without the peer.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import type { z } from "zod";

export class PeerError extends Error {}

/** The Python that runs the peers. */
export const python: string = process.env["ESPALIER_PYTHON"] ?? "python3";

/** Path of a script of `bench/peers/`. */
export function peerPath(script: string): string {
  return fileURLToPath(new URL(`../peers/${script}`, import.meta.url));
}

/** Throws `PeerError` if Python (or `ESPALIER_PYTHON`) has no PyTorch. */
export async function requireTorch(): Promise<void> {
  const { failed } = await execa(python, ["-c", "import torch"], { reject: false, stdio: "ignore" });
  if (failed) throw new PeerError(`${python} has no torch; name another Python with ESPALIER_PYTHON`);
}

export class Peer {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  private constructor(process: ChildProcess, reader: Interface) {
    this.#process = process;
    this.#reader = reader;
    this.#lines = reader[Symbol.asyncIterator]();
  }

  static async startPython(script: string, parameters: readonly string[]): Promise<Peer> {
    await requireTorch();
    return Peer.#start(python, [peerPath(script), ...parameters]);
  }

  static async startNode(script: string, parameters: readonly string[]): Promise<Peer> {
    return Peer.#start(process.execPath, [peerPath(script), ...parameters]);
  }

  static #start(program: string, parameters: readonly string[]): Peer {
    const child = spawn(program, parameters, { stdio: ["pipe", "pipe", "inherit"] });
    // Errors of writing to a peer that has ended are ignored: reading from it reports them.
    child.stdin.on("error", () => {});
    return new Peer(child, createInterface({ input: child.stdout }));
  }

  /** The next line that it prints, parsed by `schema`. */
  async read<T>(schema: z.ZodType<T>): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new PeerError("the peer ended before it answered; its own message is above");
    try {
      return schema.parse(JSON.parse(value));
    } catch (error) {
      throw new PeerError(`the peer's answer is unexpected: ${value}`, { cause: error });
    }
  }

  async ask<T>(request: unknown, schema: z.ZodType<T>): Promise<T> {
    this.#process.stdin?.write(`${JSON.stringify(request)}\n`);
    return this.read(schema);
  }

  /** Closes its input, upon which it ends. */
  stop(): void {
    this.#reader.close();
    this.#process.stdin?.end();
  }
}

/** The result of `use`. If the peer fails: undefined, with a line on standard error. */
export async function unlessPeerFails<T>(what: string, use: () => Promise<T>): Promise<T | undefined> {
  try {
    return await use();
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    console.error(`Skipped ${what}: ${error.message}`);
    return undefined;
  }
}
