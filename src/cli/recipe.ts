/** What is to be trained: what flags ask for, then what the recipe says, then the defaults of the command line. */
import { UserError } from "../core/errors.ts";
import { recipe } from "../training/recipes.ts";
import { completed, type GivenSettings } from "../training/settings/flags.ts";
import { asSettings, type SettingsInput } from "../training/settings/settings.ts";
import { defaultEpochs } from "../training/settings/table.ts";
import { bringsWeights } from "../training/start/fine-tuning.ts";

const DEFAULT_DATA = "cifar10";

export interface TrainingRequest {
  readonly model: string;
  readonly data: string;
  readonly settings: SettingsInput;
}

/** What the command line names. */
export interface Named {
  readonly model?: string | undefined;
  readonly data?: string | undefined;
  readonly settings: GivenSettings;
}

/**
 * What `named` asks for, and what the recipe called `name` says of the rest. A γ of one's own replaces the recipe's
 * budget; a budget of one's own leaves the kinds that the recipe selects.
 * @throws what `recipe` and `parseSettings` throw; UserError "bad-option" if neither names a model, or data.
 */
export function withRecipe(name: string | undefined, named: Named): TrainingRequest {
  if (name === undefined) {
    const model = requireModel(named.model);
    const settings = completed(named.settings);
    const isTrained = bringsWeights(model) && settings["fromScratch"] !== true;
    const epochs = isTrained ? defaultEpochs.trained : defaultEpochs.new;
    return { model, data: named.data ?? DEFAULT_DATA, settings: asSettings({ epochs, ...settings }) };
  }
  const { model, data, settings: written } = recipe(name);
  const own = completed(named.settings, written);
  const { budget: _, ...withoutBudget } = written;
  const isOwnGamma = own.select !== undefined && own["budget"] === undefined;
  const isOwnBatch = own["batch"] !== undefined && own["accumulate"] === undefined && written.accumulate !== undefined;
  const parts = isOwnBatch ? { accumulate: partsOf(own["batch"], written) } : {};
  return {
    model: requireModel(named.model ?? model),
    data: named.data ?? requireData(data, name),
    settings: asSettings({ ...(isOwnGamma ? withoutBudget : written), ...own, ...parts }),
  };
}

/** Of a batch of one's own, so many equal parts that none is larger than those of the recipe. */
function partsOf(batch: unknown, { batch: written = 1, accumulate = 1 }: SettingsInput): number {
  if (typeof batch !== "number") return accumulate;
  let parts = Math.ceil((batch * accumulate) / written);
  while (batch % parts !== 0) parts++;
  return parts;
}

function requireModel(model: string | undefined): string {
  if (model !== undefined) return model;
  throw new UserError("bad-option", "there is no model to train", {
    hint: "Name one, as in espalier train resnet-20, or a recipe with --recipe; espalier recipes lists them",
  });
}

function requireData(data: string | undefined, name: string): string {
  if (data !== undefined) return data;
  throw new UserError("bad-option", `the recipe "${name}" is for images of your own`, {
    about: "--data",
    hint: "Name their folder, say --data ./imagenet with train/ and val/ in it",
  });
}
