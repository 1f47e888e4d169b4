/** The recipes that ship, and what is said of one that is wrong. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { model, modelDefaults, modelNames } from "../../src/models/zoo.ts";
import { selectionKeys } from "../../src/selection/factors.ts";
import { structureKinds } from "../../src/selection/place.ts";
import { recipe, recipeNames, recipes } from "../../src/training/settings/recipes.ts";
import { parseSettings } from "../../src/training/settings/settings.ts";
import { temporaryFolder } from "./tiny.ts";

const CIFAR = [
  ...["vgg-16", "resnet-20", "resnet-32", "resnet-44", "resnet-56", "resnet-110", "resnet-164"],
  ...["resnext-20", "resnext-164", "densenet-40", "mobilenet-v2-cifar"],
];

/** Finding them takes a while in the deepest networks, and each has several recipes. */
const found = new Map<string, readonly string[]>();

function kindsOf(name: string): readonly string[] {
  const graph = model(name, { classes: modelDefaults(name).classes });
  const kinds = found.get(name) ?? structureKinds(graph).map((kind) => selectionKeys[kind]);
  found.set(name, kinds);
  return kinds;
}

test.each(recipes())("$name is of a model that there is, with kinds that it has", ({ model: name, settings, data }) => {
  expect(modelNames).toContain(name);
  const parsed = parseSettings(settings);
  expect(kindsOf(name)).toEqual(expect.arrayContaining(Object.keys(parsed.select)));
  // The fast recipe leaves it to the user what is pruned.
  const isFast = name === "fastnet-cifar";
  expect(isFast || Object.keys(parsed.select).length > 0 || parsed.budget !== undefined).toBe(true);
  expect(data).toBe(isFast || CIFAR.includes(name) ? "cifar10" : undefined);
});

test.each(CIFAR)("%s has the paper's settings and a short form", (name) => {
  const paper = parseSettings(recipe(`sss-${name}-cifar10`).settings);
  expect(paper).toMatchObject({ epochs: 240, batch: 64, momentum: 0.9, weightDecay: 1e-4 });
  expect(paper.schedule).toMatchObject({ kind: "step", peak: 0.1, factor: 0.1 });
  const milestones = paper.schedule.kind === "step" ? paper.schedule.milestones : [];
  expect(milestones.map((share) => Math.round(share * 240))).toEqual([120, 160, 200]);
  const short = parseSettings(recipe(`sss-${name}-cifar10-short`).settings);
  expect(short.epochs).toBeGreaterThanOrEqual(30);
  expect(short.epochs).toBeLessThanOrEqual(40);
  expect(short.schedule.kind).toBe("one-cycle");
});

test("the fast recipe has the numbers of airbench94, for the mean of a batch", () => {
  const settings = parseSettings(recipe("fastnet-cifar10").settings);
  const effect = 1 + 1 / (1 - settings.momentum);
  expect(settings).toMatchObject({ batch: 1024, momentum: 0.85, labelSmoothing: 0.2, decoupledWeightDecay: true });
  expect(settings.schedule).toMatchObject({ kind: "triangular", peakAt: 0.23, start: 0.2, end: 0.07 });
  expect(settings.schedule.peak * effect).toBeCloseTo(11.5, 6);
  expect(settings.weightDecay * effect).toBeCloseTo(0.0153, 5);
  expect(settings.weightDecayOf).toEqual({ bias: 1, shift: 1 });
  // The factors' steps are those of the usual peak of 0.2 with a momentum of 0.9.
  expect(settings).toMatchObject({ optimizer: "muon", learningRateOf: { shift: 64, factor: 0.2, muon: 0.16 } });
  const steps = 0.2 * settings.schedule.peak * effect;
  const usualSteps = 0.2 * (1 + 1 / (1 - 0.9));
  expect(Math.abs(steps / usualSteps - 1)).toBeLessThan(0.05);
  expect(settings.averageWeights).toEqual({ kind: "lookahead", every: 5, decay: 0.95, power: 3 });
  expect(settings.testTimeAugmentation).toBe("flip+shift");
  expect(settings.augment).toEqual({ pad: 2, border: "reflect", flip: "alternating" });
});

test("ResNet-50 on ImageNet is the paper's: γ = 0.01 on its blocks, 100 epochs, lower at 30, 60 and 90", () => {
  const { settings } = recipe("sss-resnet-50-preact-imagenet");
  expect(settings).toMatchObject({ epochs: 100, momentum: 0.9, weightDecay: 1e-4, select: { blocks: 0.01 } });
  expect(settings.schedule).toMatchObject({ kind: "step", peak: 0.1, milestones: [0.3, 0.6, 0.9], factor: 0.1 });
});

test.each(modelNames.filter((name) => modelDefaults(name).size === 224))(
  "%s has the paper's settings for ImageNet, its batch in parts that fit into memory",
  (name) => {
    const settings = parseSettings(recipe(`sss-${name.replace("-imagenet", "")}-imagenet`).settings);
    expect(settings).toMatchObject({ epochs: 100, batch: 256, momentum: 0.9, weightDecay: 1e-4 });
    expect(settings.batch / (settings.accumulate ?? 1)).toBe(32);
  },
);

describe("a recipe of one's own", () => {
  const good = {
    description: "mine",
    model: "resnet-20",
    data: "cifar10",
    settings: { epochs: 2, select: { blocks: 0.01 } },
  };

  function write(content: unknown): string {
    const path = join(temporaryFolder(), "mine.json");
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  }

  test("is read by its path", () => {
    expect(recipe(write(good))).toEqual({ name: "mine", ...good });
  });

  test.each<readonly [string, unknown, RegExp]>([
    ["a key that there is not", { ...good, modle: "x" }, /unknown key.*"modle".*Did you mean "model"/],
    ["a setting beside the settings", { ...good, epochs: 3 }, /"epochs" is a setting.*Move it into "settings"/],
    ["a setting that there is not", { ...good, settings: { epochs: 2, bacth: 3 } }, /"bacth".*Did you mean "batch"/],
    [
      "a misspelt setting that may not be missing",
      { ...good, settings: { epoch: 2 } },
      /"epoch".*Did you mean "epochs"/,
    ],
    ["a misspelt key that may not be missing", { ...good, model: undefined, modle: "x" }, /Did you mean "model"/],
    ["a setting out of range", { ...good, settings: { epochs: 0 } }, /option "epochs"/],
    ["a budget above everything", { ...good, settings: { epochs: 2, budget: "120%" } }, /at most 100 %/],
    ["no model", { description: "mine", settings: { epochs: 2 } }, /not a recipe: model/],
    ["no JSON", "{", /not JSON/],
  ])("with %s is refused", (_, content, message) => {
    expect(() => recipe(write(content))).toThrow(message);
  });

  test("that is not there is told from one of the package", () => {
    expect(() => recipe("nowhere.json")).toThrow(expect.objectContaining({ code: "missing-file" }));
    expect(() => recipe("sss-resnet-20-cifar")).toThrow(/Did you mean "sss-resnet-20-cifar10"/);
    expect(recipeNames()).toContain("sss-resnext-20-cifar10-short");
  });
});
