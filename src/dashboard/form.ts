/**
 * The form for a new run: the options of `espalier train`. The schema of the settings checks them before a run starts.
 * They are then written as the arguments of the command line.
 */
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import { unknownName } from "../core/names.ts";
import { optional } from "../core/optional.ts";
import { datasetReference } from "../data/references.ts";
import { model } from "../models/zoo.ts";
import { selectionKeys } from "../selection/factors.ts";
import { structureKinds } from "../selection/place.ts";
import { completed, settingsOfFlags } from "../training/settings/flags.ts";
import { type NamedRecipe, recipe, recipeNames } from "../training/settings/recipes.ts";
import { parseSettings } from "../training/settings/settings.ts";
import { type FormField, formFields } from "./fields.ts";

type Value = string | number | boolean;

/** The values that were filled in, by the keys of fields. The recipe or the defaults supply the others. */
export type RunForm = Readonly<Record<string, Value>>;

/** A form with a mistake, and the field that has to be corrected. */
export class FormError extends UserError {
  readonly field: string;

  constructor(field: string, { code, message, details }: UserError) {
    super(code, message, { hint: details.hint, ...optional({ cause: details.cause }) });
    this.field = field;
  }
}

const formSchema: z.ZodType<RunForm> = z.record(
  z.string().max(40),
  z.union([z.string().trim().min(1).max(300), z.number(), z.boolean()]),
);

/** Runs `check`. A `UserError` becomes a `FormError` about `field`, or about the field that `fieldOf` returns. */
function at<T>(field: string, check: () => T, fieldOf: (error: UserError) => string | undefined = () => undefined): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof UserError && !(error instanceof FormError))
      throw new FormError(fieldOf(error) ?? field, error);
    throw error;
  }
}

function refuse({ field: { key, label } }: FormField, message: string, hint: string): never {
  throw new FormError(key, new UserError("bad-option", message, { about: label, hint }));
}

/** Converts a field's value for the settings. Undefined for a switch that was not changed. */
function read(formField: FormField, value: Value): unknown {
  const { field, codec, flag = field.key } = formField;
  if (codec.kind !== "switch") return at(field.key, () => codec.read(String(value), flag));
  if (typeof value !== "boolean") return refuse(formField, "must be on or off", "Send true or false, or leave it out");
  return isUnchanged(formField, value) ? undefined : codec.bare;
}

function isUnchanged({ field }: FormField, value: Value): boolean {
  return value === (field.value === "on");
}

/** The field of the setting or flag that an error is about. If there are several, one that was filled in. */
function fieldOfSetting({ details: { about, cause } }: UserError, values: ReadonlyMap<string, unknown>): string {
  const path = cause instanceof z.ZodError ? (cause.issues[0]?.path.map(String) ?? []) : [about ?? ""];
  const [name, part] = path;
  const ofSetting = formFields.filter(({ setting, flag }) => setting === name || flag === name);
  const filled = ofSetting.find(({ field }) => values.has(field.key));
  const found = ofSetting.find((one) => part !== undefined && one.part === part) ?? filled ?? ofSetting[0];
  return found?.field.key ?? "epochs";
}

/** Settings as the schema takes them, and those of the recipe below them. */
function settingsOf(values: ReadonlyMap<string, unknown>, base: NamedRecipe | undefined): object {
  // The value of "auto" is measured when the run starts.
  const measured = [...values].filter(([key, value]) => !(key === "round" && value === "auto"));
  return { ...base?.settings, ...completed(settingsOfFlags(new Map(measured)), base?.settings) };
}

/**
 * Refuses a γ for a kind of structure that the network lacks. The command would refuse it too, but only after the page
 * has left the form.
 */
function checkKinds(source: string, values: ReadonlyMap<string, unknown>): void {
  if (source.toLowerCase().endsWith(".onnx")) return;
  const graph = at("model", () => model(source, { classes: 10 }));
  const kinds = structureKinds(graph).map((kind) => selectionKeys[kind]);
  for (const kind of Object.values(selectionKeys)) {
    const asked = formFields.find(({ setting, part }) => setting === "select" && part === kind);
    if (asked === undefined || !values.has(asked.field.key) || kinds.includes(kind)) continue;
    refuse(asked, `${source} has no ${kind}`, `Leave it empty; the network has ${kinds.join(", ")}`);
  }
}

function knownRecipe(name: string): NamedRecipe {
  // Accept names only: a path could name any file of this machine.
  if (!recipeNames().includes(name)) throw unknownName("recipe", name, recipeNames());
  return recipe(name);
}

function required(key: string, value: unknown): string {
  if (value !== undefined) return String(value);
  throw new FormError(
    key,
    new UserError("bad-option", "neither the field nor a recipe has a value", {
      about: key,
      hint: "Fill in the field, or choose a recipe that has a value for it",
    }),
  );
}

/**
 * Checks the form that the page sent.
 * @throws FormError "bad-option" or "unknown-name" with the field; UserError "bad-option" if `input` is not a form.
 */
export function parseForm(input: unknown): RunForm {
  const parsed = formSchema.safeParse(input);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const about = `"${issue?.path.join(".") ?? ""}"`;
    throw new UserError("bad-option", issue?.message ?? "not a valid form", {
      about,
      hint: "Send a JSON object with the form's fields: texts, numbers and booleans",
    });
  }
  const form = parsed.data;
  const values = new Map<string, unknown>();
  for (const [key, value] of Object.entries(form)) {
    const known = formFields.find(({ field }) => field.key === key);
    if (known === undefined)
      throw unknownName(
        "field",
        key,
        formFields.map(({ field }) => field.key),
      );
    const asked = read(known, value);
    if (asked !== undefined) values.set(key, asked);
  }
  const { recipe: named } = form;
  const base = named === undefined ? undefined : at("recipe", () => knownRecipe(String(named)));
  checkKinds(required("model", form["model"] ?? base?.model), values);
  at("data", () => datasetReference(required("data", form["data"] ?? base?.data)));
  at(
    "epochs",
    () => parseSettings(settingsOf(values, base)),
    (error) => fieldOfSetting(error, values),
  );
  if (String(form["name"] ?? "").startsWith(".")) {
    throw new FormError(
      "name",
      new UserError("bad-option", "a dot at the start would hide the run's folder", { hint: "Choose another name" }),
    );
  }
  return form;
}

/**
 * The arguments of `espalier` that train the run of `form` in `folder`. Values are joined to their flags with "=", so
 * that no value is read as a flag.
 */
export function argumentsOf(form: RunForm, folder: string): string[] {
  const options = formFields.flatMap((one): string[] => {
    const { field, flag, codec } = one;
    const value = form[field.key];
    if (flag === undefined || value === undefined) return [];
    if (codec.kind === "switch") return isUnchanged(one, value) ? [] : [flag];
    return [`${flag}=${value}`];
  });
  const source = form["model"] === undefined ? [] : ["--", String(form["model"])];
  return ["train", ...options, `--out=${folder}`, "--json", ...source];
}
