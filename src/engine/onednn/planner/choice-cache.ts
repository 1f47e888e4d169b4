/**
 * Kernel choices kept from process to process: timing is done once a machine, and two runs of the same network on it
 * use the same kernels, hence round alike. A file belongs to one library version, processor and number of threads; a
 * file that is damaged or another's is passed over with a notice and written anew.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { type Known, nothingKnown } from "./tuning.ts";

/** What a choice is valid for. */
export interface ChoiceIdentity {
  readonly library: string;
  readonly instructionSet: string;
  readonly threads: number;
}

/**
 * Goes up when candidates are added or timed in another way: older choices are then made anew, in a file of their own.
 */
const VERSION = 4;

const knownSchema = z.object({
  choices: z.record(z.string(), z.string()),
  milliseconds: z.record(z.string(), z.number()),
});

const fileSchema = knownSchema.extend({
  version: z.literal(VERSION),
  identity: z.record(z.string(), z.union([z.string(), z.number()])),
  /**
   * Made while other programs were computing: good enough while they are, and for some minutes, so that runs in a row
   * agree.
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

  /** `folder` is made when there is something to keep; `onNotice` hears why a file is not used or cannot be written. */
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

  /** What is known; `isBusy`: with what was found out while other programs were computing. */
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

  /** Adds what is not in the file yet. A cache that cannot be written costs time, not results: a notice, no error. */
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
      this.#onNotice(`kernel choices could not be kept in ${this.#path}: ${sayOf(error)}`);
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
  if (reason instanceof SyntaxError) return `it is no JSON (${reason.message})`;
  return reason instanceof Error ? reason.message : String(reason);
}

/** What of `found` is not as on this machine. */
function foreign(found: Readonly<Record<string, unknown>>, own: Readonly<Record<string, unknown>>): string {
  const keys = [...new Set([...Object.keys(own), ...Object.keys(found)])].filter((key) => found[key] !== own[key]);
  return `they are another machine's (${keys.map((key) => `${key} ${found[key]}, here ${own[key]}`).join("; ")})`;
}

function isSame(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  return Object.keys({ ...a, ...b }).every((key) => a[key] === b[key]);
}
