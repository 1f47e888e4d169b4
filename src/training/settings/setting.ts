/**
 * The type of a row in the table of settings. Types, flags, `--help`, the form of the dashboard, the schema of
 * `run.json` and docs/settings.md are derived from these rows; see `table.ts`.
 */
import type { z } from "zod";

/** Groups of settings, in the order of `--help`, the form and docs/settings.md. */
export const settingGroups = {
  task: "What is trained",
  pruning: "What is pruned",
  training: "How it is trained",
  weights: "Trained weights of an ONNX file",
  regularization: "Regularization",
  images: "Image files",
  machine: "Engine and measurements",
} as const;

export type SettingGroup = keyof typeof settingGroups;

/** The kind of field in the dashboard's form. A `switch` is on or off. */
export type FieldKind = "text" | "number" | "numbers" | "choice" | "switch";

/** How the text behind a flag becomes a value. */
export interface Codec {
  readonly kind: FieldKind;
  readonly choices?: readonly string[];
  /** The value of the flag without text behind it. */
  readonly bare?: unknown;
  /** The value of the flag with `no-` before its name; flags of codecs without one have no such form. */
  readonly negated?: unknown;
  /** @throws UserError "bad-option" or "unknown-name" that names `flag`. */
  read(text: string, flag: string): unknown;
}

/** A flag of the command line, and its field in the dashboard's form. */
export interface Flag {
  /** As `--help` shows it: `--batch <images>`. `--no-…` turns off a setting that is on by default. */
  readonly flag: string;
  readonly codec: Codec;
  /** The part of the setting that it decides: `peak` of `schedule`. Default: all of it. */
  readonly part?: string;
  /** Default: the help of the setting. */
  readonly help?: string;
  /** The default in words, if the schema's value needs words. */
  readonly default?: string;
  /** Name of its field in the form. A flag without a label has no field. */
  readonly label?: string;
  /** Initial text of the field. */
  readonly initial?: string;
}

/**
 * What the from-scratch baseline of a run does with a setting of the run: inherits it, omits it, or has its own.
 */
export type BaselineRule = "inherit" | "omit" | "own";

export interface Setting<Schema extends z.ZodType = z.ZodType> {
  /** Checks the value and fills in the default. */
  readonly schema: Schema;
  /** The meaning of the setting, as a phrase. */
  readonly help: string;
  readonly group: SettingGroup;
  /** Whether callers must give it. */
  readonly isRequired?: true;
  /** The unit of a number. */
  readonly unit?: string;
  /** The default in words, if the schema's value needs words. */
  readonly default?: string;
  readonly flags?: readonly Flag[];
  readonly inBaseline: BaselineRule;
  /** The commands that have its flags; default: all commands that train. */
  readonly commands?: readonly TrainingCommand[];
  /** Whether a sweep sets it for each of its runs. The plan of a sweep must not contain it. */
  readonly isSetBySweep?: true;
  /** Whether machine or folder decide it when a run starts. Runs that differ in it alone count as the same run. */
  readonly isSettledAtStart?: true;
  /** Adds the parts that flags leave out to those that they give; `base`: the same setting of a recipe. */
  readonly complete?: (given: object, base: object | undefined) => object;
}

export type TrainingCommand = "train" | "sweep";

/** A row, with the type of its schema. */
export function setting<Schema extends z.ZodType>(row: Setting<Schema>): Setting<Schema> {
  return row;
}
