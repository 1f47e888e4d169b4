/** Paths that visitors name, kept inside of one folder: no `..`, no absolute path, no link that leads out, however it is encoded. */
import { realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";

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
 * The real path of the file or folder that `path`, relative and still URL-encoded, names inside of `root`; undefined if there is none
 * or if it lies elsewhere. Names that begin with a dot do not exist here.
 */
export async function confined(root: string, path: string, kind: "file" | "folder"): Promise<string | undefined> {
  const parts = partsOf(path);
  if (parts === undefined) return undefined;
  try {
    const base = await realpath(root);
    const target = await realpath(join(base, ...parts));
    if (!target.startsWith(base.endsWith(sep) ? base : `${base}${sep}`)) return undefined;
    const found = await stat(target);
    return (kind === "file" ? found.isFile() : found.isDirectory()) ? target : undefined;
  } catch {
    return undefined;
  }
}
