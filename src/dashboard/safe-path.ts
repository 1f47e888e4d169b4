/**
 * Confines paths from requests to one folder. They may contain no `..` and no absolute path in any encoding, and no
 * symbolic link below that folder. Only regular files count as files: reading a pipe or a device could block.
 */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, realpath } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "../data/files.ts";

/** The decoded parts of `path`; undefined if one of them is not a plain name. */
function partsOf(path: string): string[] | undefined {
  try {
    const parts = path.split("/").map(decodeURIComponent);
    return parts.every((part) => part !== "" && !part.startsWith(".") && !/[/\\\0]/.test(part)) ? parts : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The real path of the file or folder that `path`, relative and URL-encoded, names inside `root`. Undefined if it does
 * not exist, if a symbolic link is on the way, or if a name begins with a dot.
 */
export async function confined(root: string, path: string, kind: "file" | "folder"): Promise<string | undefined> {
  const parts = partsOf(path);
  return parts === undefined ? undefined : within(root, join(...parts), kind);
}

/** Like `confined`, for a path of our own that is not encoded. */
export async function within(root: string, path: string, kind: "file" | "folder"): Promise<string | undefined> {
  try {
    // Symbolic links may lead to the folder itself, but not to files in it.
    const target = join(await realpath(root), path);
    if ((await realpath(target)) !== target) return undefined;
    const found = await lstat(target);
    return (kind === "file" ? found.isFile() : found.isDirectory()) ? target : undefined;
  } catch {
    return undefined;
  }
}

/** The last two are undefined on systems without symbolic links or pipes. */
const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/** Opens the regular file at `path` for reading. Undefined if there is none or it is a link. The caller closes it. */
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
