/** Where downloaded data is kept: one folder a user, shared by all runs. */
import { resolve } from "node:path";
import envPaths from "env-paths";

/** `$ESPALIER_CACHE` if it is set, else Espalier's folder in the user's cache directory. It need not exist yet. */
export function cacheFolder(): string {
  const { ESPALIER_CACHE: chosen } = process.env;
  return chosen === undefined || chosen === "" ? envPaths("espalier", { suffix: "" }).cache : resolve(chosen);
}
