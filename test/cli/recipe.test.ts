/** What comes of a recipe and of flags beside it. */
import { expect, test } from "vitest";
import { withRecipe } from "../../src/cli/recipe.ts";
import type { SettingsInput } from "../../src/training/options.ts";
import { recipe } from "../../src/training/recipes.ts";

const NAME = "sss-resnet-20-cifar10-short";
/** As the command line has them when no flag is given. */
const defaults: SettingsInput = {
  epochs: 40,
  select: {},
  schedule: { kind: "one-cycle" },
  augment: true,
  latency: true,
  shrink: true,
  precision: "f32",
};
const flags = { model: undefined, data: "cifar10", settings: defaults };
const written = recipe(NAME).settings;

function given(...names: readonly string[]): (flag: string) => boolean {
  return (flag) => names.includes(flag);
}

test("without flags all is the recipe's", () => {
  expect(withRecipe(NAME, flags, given())).toEqual({ model: "resnet-20", data: "cifar10", settings: written });
});

test("flags come first, whatever their defaults are", () => {
  const settings: SettingsInput = { ...defaults, epochs: 3, seed: 7, budget: "30%" };
  const merged = withRecipe(NAME, { ...flags, settings }, given("epochs", "seed", "budget", "precision"));
  expect(merged.settings).toEqual({ ...written, epochs: 3, seed: 7, budget: "30%", precision: "f32" });
});

test("a learning rate of one's own keeps the recipe's schedule", () => {
  const settings: SettingsInput = { ...defaults, schedule: { kind: "one-cycle", peak: 0.05 } };
  const { schedule } = withRecipe("sss-resnet-20-cifar10", { ...flags, settings }, given("learningRate")).settings;
  expect(schedule).toMatchObject({ kind: "step", peak: 0.05, factor: 0.1 });
});

test("a batch of one's own is worked through in parts no larger than the recipe's", () => {
  const partsOf = (batch: number, ...names: readonly string[]): number | undefined => {
    const settings: SettingsInput = { ...defaults, batch };
    const all = { ...flags, data: "./imagenet", settings };
    return withRecipe("sss-resnet-50-imagenet", all, given("data", "batch", ...names)).settings.accumulate;
  };
  expect([16, 32, 64, 100].map((batch) => partsOf(batch))).toEqual([1, 1, 2, 4]);
  expect(
    withRecipe(NAME, { ...flags, settings: { ...defaults, batch: 64 } }, given("batch")).settings,
  ).not.toHaveProperty("accumulate");
});

test("a γ of one's own replaces the budget", () => {
  const settings: SettingsInput = { ...defaults, select: { blocks: 0.02 } };
  const merged = withRecipe(NAME, { ...flags, settings }, given("gammaBlocks"));
  expect(merged.settings.budget).toBeUndefined();
  expect(merged.settings.select).toEqual({ blocks: 0.02 });
});

test("a model of one's own takes the settings", () => {
  expect(withRecipe(NAME, { ...flags, model: "resnet-32" }, given()).model).toBe("resnet-32");
});

test("without a recipe there has to be a model, and for ImageNet data", () => {
  expect(() => withRecipe(undefined, flags, given())).toThrow(/no model.*espalier recipes/);
  expect(() => withRecipe("sss-resnet-50-imagenet", flags, given())).toThrow(/images of your own.*--data/);
});
