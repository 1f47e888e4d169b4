/** `espalier recipes [name]`: lists all recipes, or shows one. */
import type { Command } from "commander";
import { recipe, recipes } from "../../training/settings/recipes.ts";
import { type CommonOptions, type Context, printJson, withCommonOptions } from "../context.ts";

/** Prints a line for each recipe, or with `json` all of their contents. */
export function listRecipes(context: Context, { json }: CommonOptions): void {
  const { stdout } = context;
  const all = recipes();
  if (json === true) {
    printJson(context, all);
    return;
  }
  const width = Math.max(...all.map(({ name }) => name.length));
  for (const { name, description } of all) {
    stdout.print(`  ${stdout.colours.bold(name.padEnd(width))}  ${stdout.colours.dim(description)}`);
  }
}

function showRecipe(context: Context, name: string, { json }: CommonOptions): void {
  const { stdout } = context;
  const found = recipe(name);
  if (json === true) {
    printJson(context, found);
    return;
  }
  const { description, source, notes, model, data, settings } = found;
  stdout.print(`  ${stdout.colours.bold(found.name)}  ${description}`);
  for (const line of [source, notes]) if (line !== undefined) stdout.print(stdout.colours.dim(`  ${line}`));
  const written = JSON.stringify({ model, data, settings }, undefined, 2);
  for (const line of written.split("\n")) stdout.print(`  ${line}`);
}

export function addRecipes(program: Command, context: Context): void {
  const command = program
    .command("recipes")
    .description("List the recipes that train --recipe takes, or show one.")
    .argument("[name]", "name of a recipe, or path of your own .json file")
    .action((name: string | undefined, options: CommonOptions) =>
      name === undefined ? listRecipes(context, options) : showRecipe(context, name, options),
    );
  withCommonOptions(command, [
    "espalier recipes",
    "espalier recipes sss-resnet-164-cifar10",
    "espalier recipes --json",
  ]);
}
