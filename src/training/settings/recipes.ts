/**
 * Recipes: a model, a dataset and settings, as JSON. The recipes in `recipes/` ship with the package; any other recipe
 * file is named by its path. Settings that the caller gives override those of the recipe.
 */

import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { requireArguments } from "../../core/arguments.ts";
import { UserError } from "../../core/errors.ts";
import { unknownName } from "../../core/names.ts";
import { parseSettings, type SettingsInput, settingNames } from "./settings.ts";

export interface Recipe {
  readonly description: string;
  /** The source of the settings, such as a paper. */
  readonly source?: string;
  /** Advice for readers who change them. */
  readonly notes?: string;
  /** A name of the zoo, or the path of an ONNX file. */
  readonly model: string;
  /** As `--data`: a name, a folder or a file. Left out if users have the data in folders of their own. */
  readonly data?: string;
  readonly settings: SettingsInput;
}

export interface NamedRecipe extends Recipe {
  readonly name: string;
}

const text = z.string().min(1);
const settingsOfRecipe = z.custom<SettingsInput>((value) => typeof value === "object" && value !== null);
const fields = {
  description: text,
  source: text.exactOptional(),
  notes: text.exactOptional(),
  model: text,
  data: text.exactOptional(),
  settings: settingsOfRecipe,
};
const schema: z.ZodType<Recipe> = z.strictObject(fields);

/** The folder is beside `src/` and beside `dist/`. */
const FOLDER = fileURLToPath(new URL("../../../recipes", import.meta.url));

/** Names of the recipes that ship with the package. */
export function recipeNames(): readonly string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .map((file) => basename(file, ".json"))
    .toSorted();
}

/**
 * The recipe called `name`, or the one in the file `name` if that ends in `.json`. Its settings are as written, without
 * defaults.
 * @throws UserError "unknown-name" for an unknown recipe, key or setting, with the nearest known name; "missing-file";
 * "bad-file" for a file that is not JSON or is incomplete; "bad-option" for a setting out of range.
 */
export function recipe(name: string): NamedRecipe {
  requireArguments("recipe", { name: [name, "text"] });
  if (name.toLowerCase().endsWith(".json")) return { name: basename(name, ".json"), ...readRecipe(name) };
  if (!recipeNames().includes(name)) throw unknownName("recipe", name, recipeNames());
  return { name, ...readRecipe(join(FOLDER, `${name}.json`)) };
}

/** All recipes that ship with the package, by name. */
export function recipes(): readonly NamedRecipe[] {
  return recipeNames().map(recipe);
}

function readRecipe(path: string): Recipe {
  const parsed = schema.safeParse(readJson(path));
  if (parsed.success) {
    parseSettings(parsed.data.settings);
    return parsed.data;
  }
  const misspelt = parsed.error.issues.find(({ code }) => code === "unrecognized_keys");
  if (misspelt?.code === "unrecognized_keys") throw unknownKey(path, misspelt.keys[0] ?? "");
  const [issue] = parsed.error.issues;
  throw new UserError("bad-file", `the file is not a recipe: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`, {
    about: path,
    expected: "description, model and settings",
    hint: "See the recipes in the package's folder recipes/ for the format",
    cause: parsed.error,
  });
}

/** The most likely mistake is a setting beside `settings` instead of inside it. */
function unknownKey(path: string, key: string): UserError {
  if (!settingNames.includes(key)) return unknownName(`key in ${path}`, key, Object.keys(fields));
  return new UserError("unknown-name", `"${key}" is a setting, not a key of a recipe`, {
    about: path,
    hint: `Move it into "settings"`,
  });
}

function readJson(path: string): unknown {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (cause) {
    throw new UserError("missing-file", "the recipe cannot be read", {
      about: path,
      hint: 'Name a recipe of the package without ".json"; "espalier recipes" lists them',
      cause,
    });
  }
  try {
    return JSON.parse(content);
  } catch (cause) {
    throw new UserError("bad-file", `the recipe is not JSON: ${cause instanceof Error ? cause.message : ""}`, {
      about: path,
      hint: "Check its commas and quotes",
      cause,
    });
  }
}
