/** Decides what to train: flags come first, then the recipe, then the defaults of the command line. */
import { UserError } from "../core/errors.ts";
import { completed, type GivenSettings } from "../training/settings/flags.ts";
import { recipe } from "../training/settings/recipes.ts";
import { asSettings, type SettingsInput } from "../training/settings/settings.ts";
import { defaultEpochs, type PrecisionChoice } from "../training/settings/table.ts";
import { bringsWeights } from "../training/start/fine-tuning.ts";

const DEFAULT_DATA = "cifar10";
/** On the command line: the faster one on this machine. */
const precision: PrecisionChoice = "auto";

export interface TrainingRequest {
  readonly model: string;
  readonly data: string;
  readonly settings: SettingsInput;
}

/** What the user gave on the command line. */
export interface Named {
  readonly model?: string | undefined;
  readonly data?: string | undefined;
  readonly settings: GivenSettings;
}

/**
 * Completes `named` with the recipe called `name`. The user's γ replaces the recipe's budget; with the user's budget,
 * the kinds of structures that the recipe selects stay.
 * @throws what `recipe` and `parseSettings` throw; UserError "bad-option" if there is no model, or no data.
 */
export function withRecipe(name: string | undefined, named: Named): TrainingRequest {
  if (name === undefined) {
    const model = requireModel(named.model);
    const settings = completed(named.settings);
    const isTrained = bringsWeights(model) && settings["fromScratch"] !== true;
    const isPruned = settings["budget"] !== undefined || settings.select !== undefined;
    const epochs = defaultEpochs[!isTrained ? "new" : isPruned ? "pruned" : "trained"];
    return { model, data: named.data ?? DEFAULT_DATA, settings: asSettings({ epochs, precision, ...settings }) };
  }
  const { model, data, settings: written } = recipe(name);
  const own = completed(named.settings, written);
  const { budget: _, ...withoutBudget } = written;
  const isOwnGamma = own.select !== undefined && own["budget"] === undefined;
  const isOwnBatch = own["batch"] !== undefined && own["accumulate"] === undefined && written.accumulate !== undefined;
  const parts = isOwnBatch ? { accumulate: partsOf(own["batch"], written) } : {};
  const settings = { ...(isOwnGamma ? withoutBudget : written), ...own, ...parts };
  return {
    model: requireModel(named.model ?? model),
    data: named.data ?? requireData(data, name),
    settings: asSettings({ precision, ...settings }),
  };
}

/** Number of equal parts for the user's `batch`, such that no part is larger than the recipe's parts. */
function partsOf(batch: unknown, { batch: written = 1, accumulate = 1 }: SettingsInput): number {
  if (typeof batch !== "number") return accumulate;
  let parts = Math.ceil((batch * accumulate) / written);
  while (batch % parts !== 0) parts++;
  return parts;
}

function requireModel(model: string | undefined): string {
  if (model !== undefined) return model;
  throw new UserError("bad-option", "there is no model to train", {
    hint: "Name a model, as in espalier train resnet-20, or give --recipe; espalier recipes lists the recipes",
  });
}

function requireData(data: string | undefined, name: string): string {
  if (data !== undefined) return data;
  throw new UserError("bad-option", `the recipe "${name}" needs your own images`, {
    about: "--data",
    hint: "Name their folder, for example --data ./imagenet with train/ and val/ in it",
  });
}
