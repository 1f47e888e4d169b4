/** What comes of a recipe and of flags beside it. */
import { expect, test } from "vitest";
import { withRecipe } from "../../src/cli/recipe.ts";
import { recipe } from "../../src/training/settings/recipes.ts";

const NAME = "sss-resnet-20-cifar10-short";
const written = recipe(NAME).settings;

test("without flags all is the recipe's", () => {
  expect(withRecipe(NAME, { settings: {} })).toEqual({ model: "resnet-20", data: "cifar10", settings: written });
});

test("flags come first, whatever their defaults are", () => {
  const settings = { epochs: 3, seed: 7, budget: "30%", precision: "f32" };
  const merged = withRecipe(NAME, { settings });
  expect(merged.settings).toEqual({ ...written, ...settings });
});

test("a learning rate of one's own keeps the recipe's schedule", () => {
  const { schedule } = withRecipe("sss-resnet-20-cifar10", { settings: { schedule: { peak: 0.05 } } }).settings;
  expect(schedule).toMatchObject({ kind: "step", peak: 0.05, factor: 0.1 });
  const named = withRecipe("sss-resnet-20-cifar10", { settings: { schedule: { kind: "cosine", peak: 0.05 } } });
  expect(named.settings.schedule).toEqual({ kind: "cosine", peak: 0.05 });
});

test("a batch of one's own is worked through in parts no larger than the recipe's", () => {
  const partsOf = (batch: number): number | undefined =>
    withRecipe("sss-resnet-50-imagenet", { data: "./imagenet", settings: { batch } }).settings.accumulate;
  expect([16, 32, 64, 100].map((batch) => partsOf(batch))).toEqual([1, 1, 2, 4]);
  expect(withRecipe(NAME, { settings: { batch: 64 } }).settings).not.toHaveProperty("accumulate");
});

test("a γ of one's own replaces the budget", () => {
  const merged = withRecipe(NAME, { settings: { select: { blocks: 0.02 } } });
  expect(merged.settings.budget).toBeUndefined();
  expect(merged.settings.select).toEqual({ blocks: 0.02 });
});

test("a model of one's own takes the settings", () => {
  expect(withRecipe(NAME, { model: "resnet-32", settings: {} }).model).toBe("resnet-32");
});

test("without a recipe there has to be a model, and for ImageNet data", () => {
  expect(() => withRecipe(undefined, { settings: {} })).toThrow(/no model.*espalier recipes/);
  expect(() => withRecipe("sss-resnet-50-imagenet", { settings: {} })).toThrow(/needs your own images.*--data/);
});

test("without a recipe the rest has the defaults of the command line", () => {
  const request = (model: string, settings: Readonly<Record<string, unknown>>) =>
    withRecipe(undefined, { model, settings });
  const settings = { epochs: 40, precision: "auto" };
  expect(request("resnet-20", {})).toEqual({ model: "resnet-20", data: "cifar10", settings });
  expect(request("resnet-20", { precision: "bf16" }).settings.precision).toBe("bf16");
  expect(request("trained.onnx", {}).settings.epochs).toBe(15);
  expect(request("trained.onnx", { fromScratch: true }).settings.epochs).toBe(40);
  expect(request("resnet-20", { schedule: { peak: 0.1 } }).settings.schedule).toEqual({ kind: "one-cycle", peak: 0.1 });
});
