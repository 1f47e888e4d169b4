/**
 * Reads and writes whole files. A write goes to a temporary file, is flushed, and then replaces the old file, so that a
 * crash loses nothing.
 */
import { readFile } from "node:fs/promises";
import writeFileAtomic from "write-file-atomic";
import { UserError } from "../core/errors.ts";
import { refusalOf, systemCode } from "../core/system-errors.ts";

/** Reads the file at `path`. Throws `UserError("missing-file")` if there is none, `"bad-file"` if it cannot be read. */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") {
      throw new UserError("missing-file", "there is no such file", { about: path, hint: "Check the path", cause });
    }
    const refusal = refusalOf(cause, { about: path });
    if (refusal !== undefined) throw refusal;
    const reason = systemCode(cause) === "EISDIR" ? "is a folder, not a file" : "cannot be read";
    const hint = "Choose a file that you have permission to read";
    throw new UserError("bad-file", reason, { about: path, hint, cause });
  }
}

/**
 * Writes `bytes` to `path` atomically: after a crash or a full disk, `path` has its old content or does not exist.
 * Throws `UserError("no-disk-space")`, `"missing-file"` (the folder does not exist) or `"bad-file"`.
 */
export async function writeBytes(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFileAtomic(path, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (cause) {
    switch (systemCode(cause)) {
      case "ENOSPC":
      case "EDQUOT":
        throw new UserError("no-disk-space", "no space left to write this file", {
          about: path,
          hint: `Free ${Math.ceil(bytes.byteLength / 1e6)} MB or choose another folder`,
          cause,
        });
      case "ENOENT":
        throw new UserError("missing-file", "the folder to write to does not exist", {
          about: path,
          hint: "Create the folder first, or choose another one",
          cause,
        });
      default:
        throw (
          refusalOf(cause, { about: path }) ??
          new UserError("bad-file", "cannot be written", {
            about: path,
            hint: "Check that you have permission to write to this folder",
            cause,
          })
        );
    }
  }
}
