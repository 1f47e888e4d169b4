/**
 * What of `run.json` decides a run, as each of its checkpoints keeps it: a run that goes on with other settings than it
 * was trained with so far is no run that could be repeated. Where the data lies, and what only describes the run, may
 * change.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { runFiles } from "./run-folder.ts";

export interface Seal {
  /** As they stand in the file, so that a difference can be told with both values. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Of the other entries. */
  readonly sha256: Readonly<Record<string, string>>;
}

export const sealSchema: z.ZodType<Seal> = z.strictObject({
  settings: z.record(z.string(), z.unknown()),
  sha256: z.record(z.string(), z.string()),
});

const recordSchema = z.looseObject({
  settings: z.record(z.string(), z.unknown()),
  data: z.looseObject({ source: z.unknown() }),
});

/** Entries that tell of a run and decide nothing in it. */
const telling: ReadonlySet<string> = new Set(["settings", "name", "created", "engine", "environment"]);

/** The seal of a record, as JSON holds it. */
export function sealOf(record: unknown): Seal {
  const { settings, data, ...others } = recordSchema.parse(JSON.parse(JSON.stringify(record)));
  const { source: _, ...ofData } = data;
  const entries = Object.entries({ ...others, data: ofData }).filter(([name]) => !telling.has(name));
  const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");
  return { settings, sha256: Object.fromEntries(entries.map(([name, value]) => [name, digest(value)])) };
}

/**
 * The seal of the run `folder`, whose checkpoint has `expected`; one of an older version has none.
 * @throws UserError "checksum" naming what in `run.json` is not as it was.
 */
export async function requireSealed(folder: string, expected: Seal | undefined): Promise<Seal> {
  const path = join(folder, runFiles.record);
  const found = sealOf(JSON.parse(await readFile(path, "utf8")));
  if (expected === undefined) return found;
  const list = [
    ...differing(found.settings, expected.settings).map(
      (name) => `settings.${name}: ${show(found.settings[name])}, was ${show(expected.settings[name])}`,
    ),
    ...differing(found.sha256, expected.sha256).map((name) => `${name}: not as it was`),
  ];
  if (list.length === 0) return found;
  throw new UserError("checksum", "the configuration of the run was changed since its checkpoint was written", {
    about: path,
    list,
    hint: "Put back what was there; to train with other settings, start another run",
  });
}

function differing(found: Readonly<Record<string, unknown>>, expected: Readonly<Record<string, unknown>>): string[] {
  return Object.keys({ ...expected, ...found }).filter((name) => !isDeepStrictEqual(found[name], expected[name]));
}

function show(value: unknown): string {
  return value === undefined ? "not there" : JSON.stringify(value);
}
