/**
 * Paths that visitors name, kept inside of one folder: no `..`, no absolute path, however it is encoded, and no
 * symbolic link anywhere below that folder. Only regular files are files: a pipe or a device would hold up whoever
 * reads it.
 */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, realpath } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "../data/files.ts";

/** Parts of `path`, decoded once; undefined if any of them could mean something else than a name in a folder. */
function partsOf(path: string): string[] | undefined {
  try {
    const parts = path.split("/").map(decodeURIComponent);
    return parts.every((part) => part !== "" && !part.startsWith(".") && !/[/\\\0]/.test(part)) ? parts : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The real path of the file or folder that `path`, relative and still URL-encoded, names inside of `root`; undefined if
 * there is none or if a link lies on the way. Names that begin with a dot do not exist here.
 */
export async function confined(root: string, path: string, kind: "file" | "folder"): Promise<string | undefined> {
  const parts = partsOf(path);
  return parts === undefined ? undefined : within(root, join(...parts), kind);
}

/** As `confined`, of a path of our own, which is not encoded. */
export async function within(root: string, path: string, kind: "file" | "folder"): Promise<string | undefined> {
  try {
    // The folder itself may be reached by links; what is in it may not.
    const target = join(await realpath(root), path);
    if ((await realpath(target)) !== target) return undefined;
    const found = await lstat(target);
    return (kind === "file" ? found.isFile() : found.isDirectory()) ? target : undefined;
  } catch {
    return undefined;
  }
}

/** Missing on systems that have no such links or pipes. */
const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/**
 * The regular file at `path`, open for reading; undefined if there is none, or if it is a link. Whoever gets it closes
 * it.
 */
export async function openRegular(path: string): Promise<FileHandle | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}
