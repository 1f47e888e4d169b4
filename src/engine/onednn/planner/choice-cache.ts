/**
 * Stores kernel choices on disk. Kernels are then timed once per machine, and two runs of the same network use the same
 * kernels and round in the same way. A file belongs to one library version, processor and number of threads. A file
 * that is damaged or does not fit is ignored with a notice, and replaced.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { type Known, nothingKnown } from "./tuning.ts";

/** The conditions under which a choice is valid. */
export interface ChoiceIdentity {
  readonly library: string;
  readonly instructionSet: string;
  readonly threads: number;
}

/**
 * Increases when candidates are added or timed in another way. Older choices are then not used; each version has its
 * own file.
 */
const VERSION = 5;

const knownSchema = z.object({
  choices: z.record(z.string(), z.string()),
  milliseconds: z.record(z.string(), z.number()),
});

const fileSchema = knownSchema.extend({
  version: z.literal(VERSION),
  identity: z.record(z.string(), z.union([z.string(), z.number()])),
  /**
   * Choices that were timed while other programs computed. They are used while that is so and for some minutes after,
   * so that consecutive runs use the same kernels.
   */
  whileBusy: knownSchema.extend({ until: z.number() }),
});

/** Milliseconds. */
const LASTS = 10 * 60 * 1000;

interface Content extends Known {
  readonly whileBusy: Known & { readonly until: number };
}

const emptyContent: Content = { ...nothingKnown, whileBusy: { ...nothingKnown, until: 0 } };

export class ChoiceCache {
  readonly #path: string;
  readonly #identity: Readonly<Record<string, string | number>>;
  readonly #onNotice: (message: string) => void;
  readonly #now: () => number;

  /** `folder` is created when choices are stored. `onNotice` is called if a file cannot be used or written. */
  constructor(
    folder: string,
    identity: ChoiceIdentity,
    onNotice: (message: string) => void,
    now: () => number = Date.now,
  ) {
    this.#onNotice = onNotice;
    this.#now = now;
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

  /** The stored choices. `isBusy`: whether to include those timed while other programs computed. */
  read(isBusy = false): Known {
    const { choices, milliseconds, whileBusy } = this.#content();
    if (!isBusy && this.#now() >= whileBusy.until) return { choices, milliseconds };
    return {
      choices: { ...whileBusy.choices, ...choices },
      milliseconds: { ...whileBusy.milliseconds, ...milliseconds },
    };
  }

  #content(): Content {
    let text: string;
    try {
      text = readFileSync(this.#path, "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return emptyContent;
      return this.#passOver(error);
    }
    try {
      const { identity, ...content } = fileSchema.parse(JSON.parse(text));
      if (!isSame(identity, this.#identity)) return this.#passOver(foreign(identity, this.#identity));
      return content;
    } catch (error) {
      return this.#passOver(error);
    }
  }

  /** Adds new choices to the file. If it cannot be written, results stay the same, so this is a notice and no error. */
  add(found: Known, isBusy = false): void {
    const content = this.#content();
    const known = this.read(isBusy);
    const isThere = (key: string): boolean => key in known.choices || key in known.milliseconds;
    if ([...Object.keys(found.choices), ...Object.keys(found.milliseconds)].every(isThere)) return;
    const merged = (kept: Known): Known => ({
      choices: { ...found.choices, ...kept.choices },
      milliseconds: { ...found.milliseconds, ...kept.milliseconds },
    });
    const added = isBusy
      ? { ...content, whileBusy: { ...merged(content.whileBusy), until: this.#now() + LASTS } }
      : { ...content, ...merged(content) };
    const file = { ...added, version: VERSION, identity: this.#identity };
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      writeFileAtomic.sync(this.#path, `${JSON.stringify(file, undefined, 1)}\n`);
    } catch (error) {
      this.#onNotice(`kernel choices could not be stored in ${this.#path}: ${sayOf(error)}`);
    }
  }

  #passOver(reason: unknown): Content {
    this.#onNotice(`the kernel choices in ${this.#path} are not used, and timed again: ${sayOf(reason)}`);
    return emptyContent;
  }
}

function sayOf(reason: unknown): string {
  if (reason instanceof z.ZodError) {
    const [issue] = reason.issues;
    return `${issue?.path.join(".") || "the whole"}: ${issue?.message}`;
  }
  if (reason instanceof SyntaxError) return `it is not JSON (${reason.message})`;
  return reason instanceof Error ? reason.message : String(reason);
}

/** Describes the differences between `found` and this machine. */
function foreign(found: Readonly<Record<string, unknown>>, own: Readonly<Record<string, unknown>>): string {
  const keys = [...new Set([...Object.keys(own), ...Object.keys(found)])].filter((key) => found[key] !== own[key]);
  return `they are from another machine (${keys.map((key) => `${key} ${found[key]}, here ${own[key]}`).join("; ")})`;
}

function isSame(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  return Object.keys({ ...a, ...b }).every((key) => a[key] === b[key]);
}
