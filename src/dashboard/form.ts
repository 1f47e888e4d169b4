/**
 * A run as asked for on the page: the options of `espalier train`, checked by the schema of settings before anything is started, and
 * written out as the command line they stand for.
 */
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import { unknownName } from "../core/names.ts";
import { datasetReference } from "../data/references.ts";
import { model } from "../models/zoo.ts";
import { selectionKeys } from "../selection/factors.ts";
import { structureKinds } from "../selection/place.ts";
import { parseSettings } from "../training/options.ts";
import { type NamedRecipe, recipe, recipeNames } from "../training/recipes.ts";
import { type Field, fields } from "./fields.ts";

type Value = string | number | boolean;

/** What was filled in, by the keys of the fields; what is left out is left to the recipe, or to the settings' own defaults. */
export type RunForm = Readonly<Record<string, Value>>;

/** A form that cannot be run, and the field that has to be mended. */
export class FormError extends UserError {
  readonly field: string;

  constructor(field: string, { code, message, details }: UserError) {
    super(code, message, { hint: details.hint, ...(details.cause === undefined ? {} : { cause: details.cause }) });
    this.field = field;
  }
}

const formSchema: z.ZodType<RunForm> = z.record(
  z.string().max(40),
  z.union([z.string().trim().min(1).max(300), z.number(), z.boolean()]),
);

/** Does `check`; what it throws at the user is about `field`, or about the one that `fieldOf` tells. */
function at<T>(field: string, check: () => T, fieldOf: (error: UserError) => string | undefined = () => undefined): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof UserError && !(error instanceof FormError))
      throw new FormError(fieldOf(error) ?? field, error);
    throw error;
  }
}

function refuse(field: Field, message: string, hint = "Change it, or leave it empty for the default"): never {
  throw new FormError(field.key, new UserError("bad-option", message, { about: field.label, hint }));
}

const NUMBERS = /^\s*[+-]?(\d+\.?\d*|\.\d+)(\s*,\s*[+-]?(\d+\.?\d*|\.\d+))*\s*$/;

/** The value as the settings have it, if it is of the field's kind at all. */
function read(field: Field, value: Value): unknown {
  switch (field.kind) {
    case "switch":
      return typeof value === "boolean" ? value : refuse(field, "on or off");
    case "number":
      return typeof value === "number" ? value : refuse(field, `"${value}" is not a number`);
    case "numbers":
      if (!NUMBERS.test(String(value))) refuse(field, `"${value}" is not a list of numbers`, "As in 0.5,4");
      return String(value).split(",").map(Number);
    case "choice":
      if (!field.choices?.includes(String(value))) refuse(field, `one of ${field.choices?.join(", ")}`);
      return value;
    case "text":
      return String(value);
  }
}

/** Sets the entry at `path`, "a.b", of nested records. */
function set(settings: Record<string, unknown>, path: string, value: unknown): void {
  const [first = "", second] = path.split(".");
  if (second === undefined) settings[first] = value;
  else settings[first] = { ...(settings[first] as Record<string, unknown> | undefined), [second]: value };
}

function isFieldOf(path: string): (field: Field) => boolean {
  return ({ setting }) => setting === path || setting?.startsWith(`${path}.`) === true;
}

/** Which field a complaint of the settings' schema is about. */
function fieldOfSetting({ details: { about, cause } }: UserError): string | undefined {
  const path = cause instanceof z.ZodError ? (cause.issues[0]?.path.join(".") ?? "") : (about ?? "");
  if (path.startsWith("mixing")) return "mixup";
  const own = [path, path.split(".")[0] ?? ""].flatMap((one) => fields.find(isFieldOf(one))?.key ?? []);
  return path.startsWith("distill") ? "distill" : own[0];
}

/** Settings as the schema takes them, and those of the recipe below them. */
function settingsOf(values: ReadonlyMap<string, unknown>, base: NamedRecipe | undefined): Record<string, unknown> {
  const own: Record<string, unknown> = {};
  for (const { key, setting } of fields) {
    const value = values.get(key);
    if (setting === undefined || value === undefined || (key === "shrink" && value === true)) continue;
    // What "auto" comes to is measured when the run begins.
    if (key === "round" && value === "auto") continue;
    set(own, setting, key === "round" ? Number(value) : value);
  }
  const schedule = own["schedule"] as object | undefined;
  if (schedule !== undefined && !("kind" in schedule)) {
    own["schedule"] = { kind: "one-cycle", ...base?.settings.schedule, ...schedule };
  }
  for (const kind of ["mixup", "cutmix"]) {
    if (values.has(kind)) own["mixing"] = { kind, alpha: values.get(kind) };
  }
  const [weight, temperature] = (values.get("distill") ?? []) as readonly number[];
  if (weight !== undefined) own["distill"] = temperature === undefined ? { weight } : { weight, temperature };
  return { ...base?.settings, ...own };
}

/** A γ of each kind that the network has: one for a kind it lacks would be refused by the command, after the page has moved on. */
function checkKinds(source: string, values: ReadonlyMap<string, unknown>): void {
  if (source.toLowerCase().endsWith(".onnx")) return;
  const graph = at("model", () => model(source, { classes: 10 }));
  const kinds = structureKinds(graph).map((kind) => selectionKeys[kind]);
  for (const kind of Object.values(selectionKeys)) {
    const field = fields.find(({ setting }) => setting === `select.${kind}`);
    if (field === undefined || !values.has(field.key) || kinds.includes(kind)) continue;
    refuse(field, `${source} has no ${kind}`, `Leave it empty; the network has ${kinds.join(", ")}`);
  }
}

function knownRecipe(name: string): NamedRecipe {
  // A path would be one of this machine's files.
  if (!recipeNames().includes(name)) throw unknownName("recipe", name, recipeNames());
  return recipe(name);
}

function required(key: string, value: unknown): string {
  if (value !== undefined) return String(value);
  throw new FormError(
    key,
    new UserError("bad-option", "nothing is named here, nor by a recipe", {
      about: key,
      hint: "Choose one, or a recipe that has one",
    }),
  );
}

/**
 * Checks what the page sent.
 * @throws FormError "bad-option" or "unknown-name" naming the field; UserError "bad-option" for what is no form at all.
 */
export function parseForm(input: unknown): RunForm {
  const parsed = formSchema.safeParse(input);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const about = `"${issue?.path.join(".") ?? ""}"`;
    throw new UserError("bad-option", issue?.message ?? "not a valid form", {
      about,
      hint: "Send a JSON object of texts, numbers and booleans by the names of the form's fields",
    });
  }
  const form = parsed.data;
  const values = new Map<string, unknown>();
  for (const [key, value] of Object.entries(form)) {
    const field = fields.find((one) => one.key === key);
    if (field === undefined)
      throw unknownName(
        "field",
        key,
        fields.map((one) => one.key),
      );
    values.set(key, read(field, value));
  }
  checkTexts(form);
  const { recipe: named } = form;
  const base = named === undefined ? undefined : at("recipe", () => knownRecipe(String(named)));
  checkKinds(required("model", form["model"] ?? base?.model), values);
  at("data", () => datasetReference(required("data", form["data"] ?? base?.data)));
  at("epochs", () => parseSettings(settingsOf(values, base)), fieldOfSetting);
  return form;
}

/** What no schema of settings knows of. */
function checkTexts(form: RunForm): void {
  const patterns: readonly (readonly [key: string, pattern: RegExp, message: string])[] = [
    ["name", /^\w[\w.-]*$/, "letters, digits, dots, dashes and underscores only"],
    ["round", /^(auto|\d+)$/, "a whole number, or auto"],
    ["size", /^\d+(x\d+)?$/i, "224, or 192x256 for height and width"],
  ];
  for (const [key, pattern, message] of patterns) {
    const field = fields.find((one) => one.key === key);
    const value = form[key];
    if (field !== undefined && value !== undefined && !pattern.test(String(value))) refuse(field, message);
  }
  const cutmix = fields.find(({ key }) => key === "cutmix");
  if (cutmix !== undefined && "mixup" in form && "cutmix" in form) refuse(cutmix, "excludes mixup", "Give one of them");
}

/** `espalier <arguments>` for `form`, into `folder`. Values are joined to their flags, so that none is taken for a flag itself. */
export function argumentsOf(form: RunForm, folder: string): string[] {
  const options = fields.flatMap(({ key, flag, kind, value: first }): string[] => {
    const value = form[key];
    if (flag === undefined || value === undefined) return [];
    if (kind === "switch") return value === (first === "on") ? [] : [flag];
    return [`${flag}=${value}`];
  });
  const source = form["model"] === undefined ? [] : ["--", String(form["model"])];
  return ["train", ...options, `--out=${folder}`, "--json", ...source];
}
