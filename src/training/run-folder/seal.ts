/**
 * The seal of a run: the settings and hashes of `run.json`, stored in each checkpoint. A resumed run checks that they
 * are unchanged, because a run with settings that changed midway could not be repeated. The path of the data, and
 * entries that only describe the run, may change.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { runFiles } from "./run-folder.ts";

export interface Seal {
  /** As in the file, so that a message can show both values of a difference. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Hashes of the other entries. */
  readonly sha256: Readonly<Record<string, string>>;
}

export const sealSchema: z.ZodType<Seal> = z.strictObject({
  settings: z.record(z.string(), z.unknown()),
  sha256: z.record(z.string(), z.string()),
});

const recordSchema = z.looseObject({
  settings: z.record(z.string(), z.unknown()),
  extensions: z.array(z.object({ epochs: z.number() })).exactOptional(),
  data: z.looseObject({ source: z.unknown() }),
});

/** Entries that only describe the run, and `settings`, which is stored whole. */
const excluded: ReadonlySet<string> = new Set([
  ...["settings", "name", "created", "engine", "environment", "extensions", "taught"],
]);

/** The seal of a record. */
export function sealOf(record: unknown): Seal {
  const { settings, data, ...others } = recordSchema.parse(JSON.parse(JSON.stringify(record)));
  const { source: _, ...ofData } = data;
  const entries = Object.entries({ ...others, data: ofData }).filter(([name]) => !excluded.has(name));
  const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");
  return { settings, sha256: Object.fromEntries(entries.map(([name, value]) => [name, digest(value)])) };
}

/**
 * Returns the seal of the run `folder` and compares it with `expected`, the checkpoint's; undefined in older versions.
 * @throws UserError "checksum" with the entries of `run.json` that were changed.
 */
export async function requireSealed(folder: string, expected: Seal | undefined): Promise<Seal> {
  const path = join(folder, runFiles.record);
  const record: unknown = JSON.parse(await readFile(path, "utf8"));
  const found = sealOf(record);
  if (expected === undefined) return found;
  // A checkpoint from before the run got more epochs on purpose.
  const { extensions = [] } = recordSchema.parse(record);
  const before = extensions.some(({ epochs }) => epochs === expected.settings["epochs"]);
  const list = [
    ...differing(found.settings, expected.settings)
      .filter((name) => !(name === "epochs" && before))
      .map((name) => `settings.${name}: ${show(found.settings[name])}, was ${show(expected.settings[name])}`),
    ...differing(found.sha256, expected.sha256).map((name) => `${name}: changed`),
  ];
  if (list.length === 0) return found;
  throw new UserError("checksum", "run.json was changed after the checkpoint was written", {
    about: path,
    list,
    hint: "Restore the old values. To train with other settings, start another run",
  });
}

function differing(found: Readonly<Record<string, unknown>>, expected: Readonly<Record<string, unknown>>): string[] {
  return Object.keys({ ...expected, ...found }).filter((name) => !isDeepStrictEqual(found[name], expected[name]));
}

function show(value: unknown): string {
  return value === undefined ? "missing" : JSON.stringify(value);
}
