/**
 * Reads and writes whole files. A write goes to a temporary file, is flushed, and then replaces the old file, so that a
 * crash loses nothing.
 */
import type { Stats } from "node:fs";
import { mkdir, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { UserError } from "../core/errors.ts";
import { refusalOf, systemCode } from "../core/system-errors.ts";

const IS_FOLDER = "is a folder, not a file";

/** A device gives bytes without end. A pipe, such as the shell's `<(…)`, is read like a file. */
function isDevice(status: Stats): boolean {
  return status.isCharacterDevice() || status.isBlockDevice();
}

/** Throws `UserError("bad-file")` if `path` is a device. What is not there is left to be found by reading. */
export function refuseDevice(path: string, status: Stats | undefined): void {
  if (status === undefined || !isDevice(status)) return;
  throw new UserError("bad-file", "is a device, not a file", { about: path, hint: "Give the path of a file" });
}

/** Reads the file at `path`. Throws `UserError("missing-file")` if there is none, `"bad-file"` if it cannot be read. */
export async function readBytes(path: string): Promise<Uint8Array> {
  refuseDevice(path, await stat(path).catch(() => undefined));
  try {
    return await readFile(path);
  } catch (cause) {
    if (systemCode(cause) === "ERR_FS_FILE_TOO_LARGE") {
      const hint = "Give a smaller file. An ONNX file may keep its weights in a file beside it (external data)";
      throw new UserError("bad-file", "is larger than 2 GB", { about: path, hint, cause });
    }
    if (systemCode(cause) === "ENOENT") {
      throw new UserError("missing-file", "there is no such file", { about: path, hint: "Check the path", cause });
    }
    const refusal = refusalOf(cause, { about: path });
    if (refusal !== undefined) throw refusal;
    const [reason, hint] =
      systemCode(cause) === "EISDIR"
        ? [IS_FOLDER, "Name a file in it. A finished run has its network in compact.onnx"]
        : ["cannot be read", "Choose a file that you have permission to read"];
    throw new UserError("bad-file", reason, { about: path, hint, cause });
  }
}

/** A new file would take the place of a device or a pipe: root would lose `/dev/full` to it. */
function refuseSpecial(path: string, status: Stats | undefined): void {
  if (status === undefined || status.isFile() || status.isDirectory()) return;
  throw new UserError("bad-file", "is a device or a pipe, not a file", { about: path, hint: "Name a file to write" });
}

/**
 * Writes `bytes` to `path` atomically: after a crash or a full disk, `path` has its old content or does not exist.
 * Throws `UserError("no-disk-space")`, `"missing-file"` (the folder does not exist) or `"bad-file"`.
 */
export async function writeBytes(path: string, bytes: Uint8Array): Promise<void> {
  refuseSpecial(path, await stat(path).catch(() => undefined));
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
        throw noFolder(path, cause);
      case "EISDIR":
        throw isFolder(path, cause);
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

function noFolder(path: string, cause?: unknown): UserError {
  return new UserError("missing-file", "the folder to write to does not exist", {
    about: path,
    hint: "Create the folder first, or choose another one",
    cause,
  });
}

function isFolder(path: string, cause?: unknown): UserError {
  return new UserError("bad-file", IS_FOLDER, { about: path, hint: "Name a file to write, such as one in it", cause });
}

/**
 * Refuses a `path` that no file can be written to, before the work whose result it takes.
 * @throws UserError "missing-file" if its folder does not exist, "bad-file" if it is a folder, a device or a pipe.
 */
export async function requirePlaceFor(path: string): Promise<void> {
  const [own, parent] = await Promise.all([path, dirname(path)].map((place) => stat(place).catch(() => undefined)));
  if (own?.isDirectory() === true) throw isFolder(path);
  refuseSpecial(path, own);
  if (parent?.isDirectory() !== true) throw noFolder(path);
}

/** Makes `folder` and those above it. Throws `UserError("bad-file")` if a file is in the way, or it may not be made. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    const isFile = systemCode(cause) === "ENOTDIR" || systemCode(cause) === "EEXIST";
    throw (
      refusalOf(cause, { about: folder }) ??
      new UserError("bad-file", isFile ? "a file is where this folder should be" : "the folder cannot be made", {
        about: folder,
        hint: "Choose another folder, one that you may write to",
        cause,
      })
    );
  }
}
