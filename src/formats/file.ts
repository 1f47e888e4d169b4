/**
 * Whole files, read and written so that nothing is lost: a write goes to a temporary name, is flushed, and then takes
 * its place.
 */
import { readFile } from "node:fs/promises";
import writeFileAtomic from "write-file-atomic";
import { UserError } from "../core/errors.ts";
import { refusalOf, systemCode } from "../core/system-errors.ts";

/**
 * The bytes of the file at `path`. Throws `UserError("missing-file")` where there is none, `"bad-file"` where it cannot
 * be read.
 */
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
    const hint = "Name a file that you may read";
    throw new UserError("bad-file", reason, { about: path, hint, cause });
  }
}

/**
 * Puts `bytes` at `path`, atomically: after a crash or a full disk the old file, or none, is there, never half of one.
 * Throws `UserError("no-disk-space")`, `"missing-file"` (no such folder) or `"bad-file"`.
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
          hint: "Make the folder first, or write to another one",
          cause,
        });
      default:
        throw (
          refusalOf(cause, { about: path }) ??
          new UserError("bad-file", "cannot be written", {
            about: path,
            hint: "Check that you may write to this folder",
            cause,
          })
        );
    }
  }
}
