/**
 * The fields of the form for a new run: what is trained on what, and the flags of the table of settings. The page
 * draws them, the server checks them and writes them out as the command line they stand for.
 */
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

/** What the page needs to draw a field. */
export interface Field {
  readonly key: string;
  readonly label: string;
  readonly hint?: string;
  readonly kind: FieldKind;
  /** What stands there at first; of a switch, "on". */
  readonly value?: string;
  /** Unless a recipe says it. */
  readonly isNeeded?: boolean;
  readonly choices?: readonly string[];
  /** Names to be proposed, which the server knows. */
  readonly list?: "models" | "datasets" | "recipes";
}

export interface FieldGroup {
  readonly title: string;
  /** Opened by those who look for it. */
  readonly isFolded: boolean;
  readonly fields: readonly Field[];
}

/** A field with what the server knows of it. */
export interface FormField {
  readonly field: Field;
  readonly group: SettingGroup;
  readonly codec: Codec;
  /** `--batch`; of the network and of the run's name, which the command line says in other ways, undefined. */
  readonly flag?: string;
  /** The setting that it decides, and the part of it. */
  readonly setting?: SettingName;
  readonly part?: string | undefined;
}

/** What is named beside the settings. */
const named: readonly FormField[] = [
  {
    field: {
      ...{ key: "recipe", label: "recipe", kind: "text", list: "recipes" },
      hint: "decides all that is left empty; empty for none",
    },
    ...{ group: "task", codec: text, flag: "--recipe" },
  },
  {
    field: {
      ...{ key: "model", label: "network", kind: "text", list: "models", value: "resnet-20", isNeeded: true },
      hint: "a name, or an ONNX file of your own",
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
  // A switch that is on at first is turned off by its flag, whose help says what happens without it.
  const isOn = kind === "switch" && bare === false;
  return {
    ...{ key: keyOf(flag), label, kind },
    ...(isOn ? { value: "on" } : { hint: description }),
    ...(choices === undefined ? {} : { choices }),
  };
}

const ofSettings: readonly FormField[] = settingFlags.flatMap((flag): FormField[] => {
  const { label, initial, row, setting, part, codec, description } = flag;
  if (label === undefined) return [];
  const field = {
    ...fieldOf(flag, label, description),
    ...(initial === undefined ? {} : { value: initial }),
    ...(row.isRequired === true ? { isNeeded: true } : {}),
  };
  // The page names the run by its folder.
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
