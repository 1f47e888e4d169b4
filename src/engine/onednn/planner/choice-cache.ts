/**
 * Kernel choices kept from process to process: timing is done once a machine, and two runs of the same network on it use
 * the same kernels, hence round alike. A file belongs to one library version, processor and number of threads; a file that
 * is damaged or another's is passed over with a warning and written anew.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import type { KernelChoices } from "../../engine.ts";

/** What a choice is valid for. */
export interface ChoiceIdentity {
  readonly library: string;
  readonly instructionSet: string;
  readonly threads: number;
}

/** Goes up when candidates are added or timed in another way: older choices are then made anew, in a file of their own. */
const VERSION = 2;

const fileSchema = z.object({
  version: z.literal(VERSION),
  identity: z.record(z.string(), z.union([z.string(), z.number()])),
  choices: z.record(z.string(), z.string()),
});

export class ChoiceCache {
  readonly #path: string;
  readonly #identity: Readonly<Record<string, string | number>>;

  /** `folder` is made when there is something to keep. */
  constructor(folder: string, identity: ChoiceIdentity) {
    this.#identity = { ...identity, processor: cpus()[0]?.model ?? "unknown" };
    const hash = createHash("sha256")
      .update(JSON.stringify([VERSION, this.#identity]))
      .digest("hex")
      .slice(0, 16);
    this.#path = join(folder, `onednn-${hash}.json`);
  }

  get path(): string {
    return this.#path;
  }

  read(): KernelChoices {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
      return this.#passOver(error);
    }
    try {
      const { identity, choices } = fileSchema.parse(JSON.parse(text));
      if (JSON.stringify(identity) !== JSON.stringify(this.#identity)) return this.#passOver("it is another machine's");
      return choices;
    } catch (error) {
      return this.#passOver(error);
    }
  }

  /** Adds `choices` to the file. A cache that cannot be written costs time, not results: a warning, no error. */
  add(choices: KernelChoices): void {
    const known = this.read();
    if (Object.entries(choices).every(([key, choice]) => known[key] === choice)) return;
    const content = { version: VERSION, identity: this.#identity, choices: { ...choices, ...known } };
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      writeFileAtomic.sync(this.#path, `${JSON.stringify(content, undefined, 1)}\n`);
    } catch (error) {
      warn(`kernel choices could not be kept in ${this.#path}: ${String(error)}`);
    }
  }

  #passOver(reason: unknown): KernelChoices {
    const said = reason instanceof Error ? reason.message : String(reason);
    warn(`the kernel choices in ${this.#path} are not used, and timed again: ${said}`);
    return {};
  }
}

function warn(message: string): void {
  process.emitWarning(message, "EspalierWarning");
}
