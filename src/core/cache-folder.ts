/** The folders for downloaded data, kernel choices and a local oneDNN library. All runs of a user share them. */
import { join, resolve } from "node:path";
import envPaths from "env-paths";

/** `$ESPALIER_CACHE` if it is set, else Espalier's folder in the user's cache directory. It may not exist yet. */
export function cacheFolder(): string {
  const { ESPALIER_CACHE: chosen } = process.env;
  return chosen === undefined || chosen === "" ? envPaths("espalier", { suffix: "" }).cache : resolve(chosen);
}

/** The folder for measurements of this machine: `$ESPALIER_KERNEL_CACHE` if it is set, else a folder of the cache. */
export function kernelCacheFolder(): string {
  const { ESPALIER_KERNEL_CACHE: chosen } = process.env;
  return chosen === undefined || chosen === "" ? join(cacheFolder(), "kernels") : resolve(chosen);
}

/** The folder in which set-up installs oneDNN for a user who may not install it for the whole system. */
export function libraryFolder(): string {
  return join(cacheFolder(), "onednn");
}
