/** How much a folder holds, and whether this user may write to it. */
import { accessSync, constants, existsSync, lstatSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

export interface FolderFacts {
  readonly path: string;
  readonly exists: boolean;
  /** Or could be made, where it does not exist. */
  readonly isWritable: boolean;
  readonly files: number;
  readonly bytes: number;
}

/** Of `path` and all below it, links not followed. What may not be read counts as nothing. */
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

/** The nearest folder above decides where there is none yet. */
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
