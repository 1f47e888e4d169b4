/** Reads data files, and turns errors of the system into errors that name the file and say what to do. */
import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { EspalierError, InternalError, UserError } from "../core/errors.ts";
import { refusalOf, systemCode } from "../core/system-errors.ts";

export { systemCode };

/**
 * The `UserError` for an error of the file system about `path`. Errors of Espalier pass unchanged; an error without a
 * system code is an internal error.
 */
export function fileError(
  error: unknown,
  path: string,
  hint = "Check the path, and that you have permission to read it",
): EspalierError {
  if (error instanceof EspalierError) return error;
  const code = systemCode(error);
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  const room = { hint: "Free some space, or set ESPALIER_CACHE to a folder on another disk" };
  const refusal = refusalOf(error, { about: path, ...(isFull ? room : {}) });
  if (refusal !== undefined) return refusal;
  const details = { about: path, hint, cause: error };
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return new UserError("missing-file", "no such file", details);
    case undefined:
      return new InternalError("a data file could not be handled", { about: path, cause: error });
    default: {
      const reason = error instanceof Error ? error.message : String(error);
      return new UserError("bad-file", `the file cannot be used: ${reason}`, details);
    }
  }
}

/** The last one is undefined on systems without pipes. */
const { O_RDONLY, O_NONBLOCK = 0 } = constants;

/**
 * The bytes of the file at `path`. Undefined if it is a pipe or a device, which may never end. Throws the errors of the
 * system.
 */
export async function readRegular(path: string): Promise<Buffer | undefined> {
  const file = await open(path, O_RDONLY | O_NONBLOCK);
  try {
    const status = await file.stat();
    return status.isFile() || status.isDirectory() ? await file.readFile() : undefined;
  } finally {
    await file.close();
  }
}

/** Why a file that `readRegular` gives nothing of is no file of data. */
export const NOT_REGULAR = "it is a pipe or a device, not a file";

/**
 * Reads the whole file.
 * @throws UserError "missing-file" or "bad-file", with `hint`.
 */
export async function readDataFile(path: string, hint?: string): Promise<Buffer> {
  const bytes = await readRegular(path).catch((error: unknown) => {
    throw fileError(error, path, hint);
  });
  if (bytes !== undefined) return bytes;
  throw new UserError("bad-file", `the file cannot be used: ${NOT_REGULAR}`, {
    about: path,
    hint: hint ?? "Give the path of a file",
  });
}

/** Size in bytes of the file at `path`, or undefined if there is no such file. */
export async function fileSize(path: string): Promise<number | undefined> {
  try {
    const status = await stat(path);
    return status.isFile() ? status.size : undefined;
  } catch {
    return undefined;
  }
}

/** True if `path` is a folder. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** Digest of the file at `path`, read as a stream. */
export async function digestOf(
  path: string,
  algorithm: "sha256" | "sha512",
  encoding: "hex" | "base64",
): Promise<string> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest(encoding);
}
