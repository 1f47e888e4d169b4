/**
 * Reads tensors whose bytes lie in files beside the model (ONNX external data). The file names come from the model and
 * are not trusted: only files in the model's own folder are read, and never beyond their end.
 */
import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, resolve, sep } from "node:path";
import { UserError } from "../../core/errors.ts";

export interface ExternalData {
  /**
   * Reads `length` bytes from the file and offset that `entries` name (the specification's keys: location, offset,
   * length). Throws `UserError` about `about`.
   */
  read(entries: ReadonlyMap<string, string>, length: number, about: string): Uint8Array;
}

/** For a model that is given as bytes: it has no folder, so there is nothing beside it. */
export const noExternalData: ExternalData = {
  read(entries, _, about) {
    throw new UserError(
      "unsupported",
      "its data lies in another file, but the model was given as bytes, without a folder",
      {
        about,
        received: entries.get("location") ?? "no location",
        hint: "Load the model by its path",
      },
    );
  },
};

const SAVE_AGAIN_HINT = "Save the model again, together with the files that hold its tensors";

/** The most bytes of one read: the system reads less than 2 GiB at once. */
const largestRead = 2 ** 30;

/** External data of the model at `path`. Reads block. `close` closes the files. */
export class FolderData implements ExternalData {
  readonly #folder: string;
  readonly #files = new Map<string, number>();

  constructor(path: string) {
    this.#folder = dirname(resolve(path));
  }

  read(entries: ReadonlyMap<string, string>, length: number, about: string): Uint8Array {
    const location = entries.get("location") ?? "";
    const offset = wholeNumber(entries, "offset", 0, about);
    const stated = wholeNumber(entries, "length", length, about);
    if (stated !== length) {
      throw new UserError("bad-file", "the length of its external data does not match its dims", {
        about,
        expected: `${length} bytes`,
        received: `${stated}`,
        hint: SAVE_AGAIN_HINT,
      });
    }
    const file = this.#open(location, about);
    const { size } = fstatSync(file);
    if (!(offset + length <= size)) {
      throw new UserError("bad-file", `its data lies beyond the end of "${location}"`, {
        about,
        expected: `at most ${size} bytes`,
        received: `${offset} + ${length}`,
        hint: "The file may be truncated: copy it again",
      });
    }
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const count = readSync(file, bytes, done, Math.min(length - done, largestRead), offset + done);
      if (count === 0) {
        throw new UserError("bad-file", `"${location}" ended while it was read`, { about, hint: SAVE_AGAIN_HINT });
      }
      done += count;
    }
    return bytes;
  }

  close(): void {
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
  }

  #open(location: string, about: string): number {
    const opened = this.#files.get(location);
    if (opened !== undefined) return opened;
    const file = openSync(this.#locate(location, about), "r");
    this.#files.set(location, file);
    return file;
  }

  /** The path of `location`. Refuses a path that leads out of the model's folder, by dots or by links. */
  #locate(location: string, about: string): string {
    const outside = new UserError("bad-file", "its data must lie in the model's own folder", {
      about,
      received: `"${location}"`,
      hint: "Export the model again, with its data beside it",
    });
    if (location === "" || location.includes("\0") || isAbsolute(location)) throw outside;
    const inside = this.#folder.endsWith(sep) ? this.#folder : `${this.#folder}${sep}`;
    const path = resolve(this.#folder, location);
    if (!path.startsWith(inside)) throw outside;
    const found = attempt(() => realpathSync(path));
    if (found === undefined) {
      throw new UserError("missing-file", `its data file "${location}" is missing`, {
        about,
        hint: "Put it beside the model",
      });
    }
    // Refuse pipes and devices: reading one would block or never end.
    if (!found.startsWith(`${realpathSync(this.#folder)}${sep}`) || !statSync(found).isFile()) throw outside;
    return found;
  }
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function wholeNumber(entries: ReadonlyMap<string, string>, key: string, absent: number, about: string): number {
  const text = entries.get(key);
  if (text === undefined) return absent;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new UserError("bad-file", `the ${key} of its data is not a whole number`, {
    about,
    received: `"${text}"`,
    hint: SAVE_AGAIN_HINT,
  });
}
