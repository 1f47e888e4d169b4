/**
 * The schema of a run's settings, for the library, the command line, the dashboard and `run.json`. Settings are plain
 * JSON, and `run.json` stores all of them. Values that cannot be stored (an open dataset, callbacks, a signal) are
 * separate options of `train`.
 */
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { unknownName } from "../../core/names.ts";
import type { Setting } from "./setting.ts";
import { settingsTable } from "./table.ts";

type Table = typeof settingsTable;
type Shape = { readonly [Name in keyof Table]: Table[Name]["schema"] };

export type SettingName = keyof Table;

/** All rows, by name. */
export const settings: readonly (readonly [name: SettingName, row: Setting])[] = Object.entries(settingsTable) as [
  SettingName,
  Setting,
][];

/** Names of all settings. */
export const settingNames: readonly string[] = Object.keys(settingsTable);

/** Schema of `SettingsInput`; parsing fills in the defaults. */
export const settingsSchema = z.strictObject(
  Object.fromEntries(settings.map(([name, { schema }]) => [name, schema])) as Shape,
);

/** Settings with every default filled in, except those that the run decides itself; see docs/settings.md. */
export type Settings = Readonly<z.output<typeof settingsSchema>>;

type Input = z.input<typeof settingsSchema>;

/**
 * Settings as a caller gives them; only `epochs` is required. A setting that is undefined gets its default. See
 * docs/settings.md.
 */
export type SettingsInput = {
  readonly [Name in keyof Input]: undefined extends Input[Name] ? Input[Name] | undefined : Input[Name];
};

/**
 * Checks `input` and fills in the defaults.
 * @throws UserError "unknown-name" for a setting that does not exist (with the nearest that does), "bad-option" for a
 * value out of range: γ below zero, a batch of 0, ….
 */
export function parseSettings(input: unknown): Settings {
  const parsed = settingsSchema.safeParse(withoutUndefined(input));
  if (parsed.success) return parsed.data;
  // First, because a misspelt name is often also the reason why a required one is missing.
  const misspelt = parsed.error.issues.find(({ code, path }) => code === "unrecognized_keys" && path.length === 0);
  if (misspelt?.code === "unrecognized_keys") throw unknownName("option", misspelt.keys[0] ?? "", settingNames);
  const [issue] = parsed.error.issues;
  const option = issue?.path.join(".") ?? "";
  const isGamma = issue?.path[0] === "select" && issue.path.length === 2;
  throw new UserError("bad-option", issue?.message ?? "not a valid setting", {
    about: option === "" ? "the options of a run" : `option "${option}"`,
    hint: isGamma
      ? "The sparsity strength γ is a number from 0; leave out a kind that should have no factors"
      : "Correct it and start again; nothing was written",
    cause: parsed.error,
  });
}

/** Drops settings that are undefined. */
function withoutUndefined(input: unknown): unknown {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return input;
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
}

/**
 * Checks `input` and returns it unchanged: for settings read from plans, recipes and flags.
 * @throws the errors of `parseSettings`.
 */
export function asSettings(input: unknown): SettingsInput {
  requireSettings(input);
  return input;
}

function requireSettings(input: unknown): asserts input is SettingsInput {
  parseSettings(input);
}
