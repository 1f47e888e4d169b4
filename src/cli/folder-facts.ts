/** The size of a folder, and whether this user may write to it. */
import { accessSync, constants, existsSync, lstatSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

export interface FolderFacts {
  readonly path: string;
  readonly exists: boolean;
  /** For a folder that does not exist: whether it can be created. */
  readonly isWritable: boolean;
  readonly files: number;
  readonly bytes: number;
}

/** Counts files and bytes below `path`, without following links. A folder that cannot be read counts as empty. */
export function folderFacts(path: string): FolderFacts {
  const sizes = fileSizes(path);
  return {
    ...{ path, exists: existsSync(path), isWritable: isWritable(path) },
    ...{ files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) },
  };
}

function fileSizes(folder: string): readonly number[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? fileSizes(path) : [lstatSync(path).size];
    });
  } catch {
    return [];
  }
}

/** For a path that does not exist, the nearest existing folder above it decides. */
function isWritable(path: string): boolean {
  const parent = dirname(path);
  if (!existsSync(path) && parent !== path) return isWritable(parent);
  try {
    accessSync(path, constants.W_OK);
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
