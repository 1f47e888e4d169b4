/** Turns the flags of the table of settings into options of a command. */
import { type Command, Option } from "commander";
import type { ImageFileOptions } from "../data/images/open.ts";
import { readInputColumns } from "../training/settings/columns.ts";
import { describe, keyOf, nameOf, negationOf, settingFlags } from "../training/settings/flags.ts";
import { type ImageFlag, imageFlags } from "../training/settings/image-flags.ts";
import { type Flag, type SettingGroup, settingGroups, type TrainingCommand } from "../training/settings/setting.ts";

/** Adds `flag` to `command`, with `description` as its help text, and its negation if it has one. */
function addFlag(command: Command, { flag, codec }: Flag, description: string): void {
  const option = new Option(flag, description);
  command.addOption(
    codec.kind === "switch" ? option : option.argParser((text: string) => codec.read(text, nameOf(flag))),
  );
  if (codec.negated !== undefined) command.addOption(new Option(negationOf(flag), `the same as ${nameOf(flag)} none`));
}

/** Adds the flags of all settings in `group` that `name` takes, under the title of the group. */
export function addSettingFlags(command: Command, name: TrainingCommand, group: SettingGroup): void {
  command.optionsGroup(`${settingGroups[group]}:`);
  for (const flag of settingFlags) {
    const { row, description } = flag;
    if (row.group === group && (row.commands?.includes(name) ?? true)) addFlag(command, flag, description);
  }
}

/** Adds `flags` on image files. */
export function addImageFlags(command: Command, flags: readonly ImageFlag[]): void {
  for (const flag of flags) addFlag(command, flag, describe(flag.help, flag.default));
}

/** `--columns` of the commands that run a file. */
export function columnsOption(): Option {
  const help = "columns of a table for inputs besides the images: x=age+weight, or words, x=colour:index:red:blue";
  return new Option("--columns <names>", `${help} (default: as the file says)`).argParser((text: string) =>
    readInputColumns(text),
  );
}

/** The values of those `flags` that the user gave, parsed by their codecs, by the flags' keys. */
export function givenFlags(command: Command, flags: readonly Flag[]): ReadonlyMap<string, unknown> {
  return new Map(
    flags.flatMap(({ flag, codec }) => {
      const name = new Option(flag).attributeName();
      if (command.getOptionValueSource(name) !== "cli") return [];
      const value: unknown = command.getOptionValue(name);
      const bare = value === false && codec.negated !== undefined ? codec.negated : codec.bare;
      return [[keyOf(flag), typeof value === "boolean" ? bare : value] as const];
    }),
  );
}

/** The options on image files that the user gave, without defaults. */
export function imageOptions(command: Command): ImageFileOptions {
  const given = givenFlags(command, imageFlags);
  return Object.fromEntries(
    imageFlags.flatMap(({ flag, option }) => (given.has(keyOf(flag)) ? [[option, given.get(keyOf(flag))]] : [])),
  );
}
