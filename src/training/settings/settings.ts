/**
 * The settings of a run, checked: one schema for the library, the command line, the page and `run.json`. Settings are
 * plain JSON, stored whole in `run.json`; what cannot be stored (the open dataset, callbacks, a signal) is handed to
 * `train` beside them.
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

/** Settings with every default filled in, except what the run decides itself. docs/settings.md tells what each is. */
export type Settings = Readonly<z.output<typeof settingsSchema>>;

type Input = z.input<typeof settingsSchema>;

/**
 * What a caller may set; only `epochs` must be. A setting that is undefined has its default. docs/settings.md tells
 * what each is.
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
  // A name that is misspelt is the reason, too, why the one that was meant is missing.
  const misspelt = parsed.error.issues.find(({ code, path }) => code === "unrecognized_keys" && path.length === 0);
  if (misspelt?.code === "unrecognized_keys") throw unknownName("option", misspelt.keys[0] ?? "", settingNames);
  const [issue] = parsed.error.issues;
  const option = issue?.path.join(".") ?? "";
  const isGamma = issue?.path[0] === "select" && issue.path.length === 2;
  throw new UserError("bad-option", issue?.message ?? "not a valid setting", {
    about: option === "" ? "the options of a run" : `option "${option}"`,
    hint: isGamma
      ? "The sparsity strength γ is a number from 0; leave the kind out for a network without such factors"
      : "Correct it and start again; nothing was written",
    cause: parsed.error,
  });
}

/** A setting that is undefined is one that was left out. */
function withoutUndefined(input: unknown): unknown {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return input;
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
}

/**
 * `input` as settings, unchanged: for what is read from plans, recipes and flags.
 * @throws what `parseSettings` throws.
 */
export function asSettings(input: unknown): SettingsInput {
  requireSettings(input);
  return input;
}

function requireSettings(input: unknown): asserts input is SettingsInput {
  parseSettings(input);
}
