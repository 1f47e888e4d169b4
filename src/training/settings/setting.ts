/**
 * What a row of the table of settings says. Types, flags, `--help`, the page's form, the schema of `run.json` and the
 * table in the documents are derived from these rows; see `table.ts`.
 */
import type { z } from "zod";

/** Groups of settings, in the order in which `--help`, the form and the documents show them. */
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

/** How the page's form asks for a value. A `switch` is on or off. */
export type FieldKind = "text" | "number" | "numbers" | "choice" | "switch";

/** How the text behind a flag becomes a value. */
export interface Codec {
  readonly kind: FieldKind;
  readonly choices?: readonly string[];
  /** The value where no text is behind the flag. */
  readonly bare?: unknown;
  /** @throws UserError "bad-option" or "unknown-name" that names `flag`. */
  read(text: string, flag: string): unknown;
}

/** A flag of the command line, and its field in the page's form. */
export interface Flag {
  /** As `--help` shows it: `--batch <images>`. `--no-…` turns off what is on by default. */
  readonly flag: string;
  readonly codec: Codec;
  /** The part of the setting that it decides: `peak` of `schedule`. Default: all of it. */
  readonly part?: string;
  /** Default: the help of the setting. */
  readonly help?: string;
  /** The default in words, where the schema's own says too little. */
  readonly default?: string;
  /** Name of its field in the form. A flag without a label has no field. */
  readonly label?: string;
  /** What stands in the field at first. */
  readonly initial?: string;
}

/**
 * What the from-scratch baseline of a run does with a setting of the run: it trains with it, trains without it, or
 * chooses its own.
 */
export type ControlRule = "inherit" | "omit" | "own";

export interface Setting<Schema extends z.ZodType = z.ZodType> {
  /** Checks the value and fills in the default. */
  readonly schema: Schema;
  /** What it decides, as a phrase. */
  readonly help: string;
  readonly group: SettingGroup;
  /** Whether code has to name it. */
  readonly isRequired?: true;
  /** What a number counts. */
  readonly unit?: string;
  /** The default in words, where the schema's own says too little. */
  readonly default?: string;
  readonly flags?: readonly Flag[];
  readonly control: ControlRule;
  /** Which commands have its flags; default: all that train. */
  readonly commands?: readonly TrainingCommand[];
  /** A sweep sets it for each of its runs, so its plan must not. */
  readonly isSetBySweep?: true;
  /** The machine or the folder decides it when a run starts, so two runs that differ in it alone are the same run. */
  readonly isSettledAtStart?: true;
  /** Adds to the parts that flags give what they leave out; `base`: the same setting of a recipe. */
  readonly complete?: (given: object, base: object | undefined) => object;
}

export type TrainingCommand = "train" | "sweep";

/** A row, with the type of its schema. */
export function setting<Schema extends z.ZodType>(row: Setting<Schema>): Setting<Schema> {
  return row;
}
