/**
 * Hashes of the files that a run keeps and reads again when it is resumed: the network that teaches it, and its latency
 * table. `run.json` has them, so the seal covers them: a run whose teacher changed midway could not be repeated.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../core/errors.ts";
import { readBytes } from "../../formats/file.ts";
import { runFiles } from "./run-folder.ts";

/** The files, by name in the folder. */
export const keptNames = [runFiles.teacher, runFiles.latencyTable] as const;

/** By file name: sha256. */
export type KeptFiles = Readonly<Partial<Record<(typeof keptNames)[number], string>>>;

async function hashOf(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readBytes(path))
    .digest("hex");
}

/** The hashes of those files that are in `folder`. */
export async function keptFiles(folder: string): Promise<KeptFiles> {
  const found = keptNames.filter((name) => existsSync(join(folder, name)));
  return Object.fromEntries(
    await Promise.all(found.map(async (name) => [name, await hashOf(join(folder, name))] as const)),
  );
}

/**
 * Compares the files in `folder` that are among `names` with `expected`; runs of older versions have no hashes.
 * @throws UserError "checksum" naming the file that was changed, "missing-file" if one is gone.
 */
export async function requireKeptFiles(
  folder: string,
  expected: KeptFiles = {},
  names: readonly (keyof KeptFiles)[] = keptNames,
): Promise<void> {
  for (const name of names) {
    const hash = expected[name];
    if (hash === undefined) continue;
    const path = join(folder, name);
    if ((await hashOf(path)) === hash) continue;
    throw new UserError("checksum", "the file was changed after the run was started", {
      about: path,
      hint: "Put the old file back. To train with another one, start another run",
    });
  }
}
