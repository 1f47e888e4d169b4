/**
 * The fields of the form for a new run: model, data, recipe, and the flags of the table of settings. The page shows
 * them. The server checks them and converts them into the arguments of a command.
 */
import { optional } from "../core/optional.ts";
import { text } from "../training/settings/codecs.ts";
import { describe, keyOf, nameOf, settingFlags } from "../training/settings/flags.ts";
import { imageFlags } from "../training/settings/image-flags.ts";
import {
  type Codec,
  type FieldKind,
  type Flag,
  type SettingGroup,
  settingGroups,
} from "../training/settings/setting.ts";
import type { SettingName } from "../training/settings/settings.ts";

/** A field as the page needs it. */
export interface Field {
  readonly key: string;
  readonly label: string;
  readonly hint?: string;
  readonly kind: FieldKind;
  /** Initial value; "on" for a switch that is on. */
  readonly value?: string;
  /** Whether it must be filled in, if no recipe has a value for it. */
  readonly isNeeded?: boolean;
  readonly choices?: readonly string[];
  /** Which of the server's lists of names the page proposes. */
  readonly list?: "models" | "datasets" | "recipes";
}

export interface FieldGroup {
  readonly title: string;
  /** Whether the group is closed at first. */
  readonly isFolded: boolean;
  readonly fields: readonly Field[];
}

/** A field with its flag and setting. */
export interface FormField {
  readonly field: Field;
  readonly group: SettingGroup;
  readonly codec: Codec;
  /** `--batch`; undefined for the model and the run's name, which are passed in other ways. */
  readonly flag?: string;
  /** The setting that the field decides, and which part of it. */
  readonly setting?: SettingName;
  readonly part?: string | undefined;
}

/** The fields that are not settings. */
const named: readonly FormField[] = [
  {
    field: {
      ...{ key: "recipe", label: "recipe", kind: "text", list: "recipes" },
      hint: "gives values to the fields that are left empty",
    },
    ...{ group: "task", codec: text, flag: "--recipe" },
  },
  {
    field: {
      ...{ key: "model", label: "network", kind: "text", list: "models", value: "resnet-20", isNeeded: true },
      hint: "the name of a model, or an ONNX file",
    },
    ...{ group: "task", codec: text },
  },
  {
    field: {
      ...{ key: "data", label: "data", kind: "text", list: "datasets", value: "cifar10", isNeeded: true },
      hint: "cifar10, a folder, name:folder, a CSV or a Parquet file",
    },
    ...{ group: "task", codec: text, flag: "--data" },
  },
];

function fieldOf({ flag, codec: { kind, choices, bare } }: Flag, label: string, description: string): Field {
  // The flag of a switch that is on at first turns it off. Its help describes the switch being off, so omit it.
  const isOn = kind === "switch" && bare === false;
  return {
    ...{ key: keyOf(flag), label, kind },
    ...(isOn ? { value: "on" } : { hint: description }),
    ...optional({ choices }),
  };
}

const ofSettings: readonly FormField[] = settingFlags.flatMap((flag): FormField[] => {
  const { label, initial, row, setting, part, codec, description } = flag;
  if (label === undefined) return [];
  const field = {
    ...fieldOf(flag, label, description),
    ...optional({ value: initial }),
    ...(row.isRequired === true ? { isNeeded: true } : {}),
  };
  // The folder in --out already has the run's name.
  const own = setting === "name" ? {} : { flag: nameOf(flag.flag) };
  return [{ field, group: row.group, codec, setting, part, ...own }];
});

const ofImages: readonly FormField[] = imageFlags.map((flag) => ({
  field: fieldOf(flag, flag.label, describe(flag.help, flag.default)),
  ...{ group: "images", codec: flag.codec, flag: nameOf(flag.flag) },
}));

export const formFields: readonly FormField[] = [...named, ...ofSettings, ...ofImages];

/** Groups that are open at first. */
const openGroups: ReadonlySet<SettingGroup> = new Set(["task", "pruning", "training"]);

export const fieldGroups: readonly FieldGroup[] = (Object.keys(settingGroups) as SettingGroup[]).map((group) => ({
  title: settingGroups[group],
  isFolded: !openGroups.has(group),
  fields: formFields.filter((one) => one.group === group).map(({ field }) => field),
}));
