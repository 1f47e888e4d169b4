/**
 * Where downloaded data, kernel choices and a library of the user's own are kept: one folder a user, shared by all
 * runs.
 */
import { join, resolve } from "node:path";
import envPaths from "env-paths";

/** `$ESPALIER_CACHE` if it is set, else Espalier's folder in the user's cache directory. It need not exist yet. */
export function cacheFolder(): string {
  const { ESPALIER_CACHE: chosen } = process.env;
  return chosen === undefined || chosen === "" ? envPaths("espalier", { suffix: "" }).cache : resolve(chosen);
}

/**
 * Where engines keep what they learnt about this machine: `$ESPALIER_KERNEL_CACHE` if it is set, else a folder of the
 * cache.
 */
export function kernelCacheFolder(): string {
  const { ESPALIER_KERNEL_CACHE: chosen } = process.env;
  return chosen === undefined || chosen === "" ? join(cacheFolder(), "kernels") : resolve(chosen);
}

/** Where set-up puts oneDNN for a user who may not install it for the whole system. */
export function libraryFolder(): string {
  return join(cacheFolder(), "onednn");
}
