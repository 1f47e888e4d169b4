/** `--recipe`: what a recipe says, wherever no flag says otherwise. */
import { UserError } from "../core/errors.ts";
import type { SettingsInput } from "../training/options.ts";
import { recipe } from "../training/recipes.ts";

export interface TrainingRequest {
  readonly model: string;
  readonly data: string;
  readonly settings: SettingsInput;
}

/** Flags, by their camel-case names, and the setting each of them decides. Other settings are there only if a flag is. */
const defaulted: readonly (readonly [setting: keyof SettingsInput, flags: readonly string[]])[] = [
  ["epochs", ["epochs"]],
  ["schedule", ["schedule", "learningRate"]],
  ["augment", ["augment"]],
  ["syncBatchNorm", ["syncBn"]],
  ["latency", ["latency"]],
  ["shrink", ["shrink", "patience"]],
  ["precision", ["precision"]],
];

/**
 * `flags` as they are, or with what the recipe called `name` says where `isGiven` says that no flag was. A γ of one's own replaces the
 * recipe's budget, a budget of one's own leaves the kinds that the recipe selects.
 * @throws what `recipe` throws; UserError "bad-option" if neither names a model, or data.
 */
export function withRecipe(
  name: string | undefined,
  flags: Omit<TrainingRequest, "model"> & { readonly model: string | undefined },
  isGiven: (flag: string) => boolean,
): TrainingRequest {
  if (name === undefined) return { ...flags, model: requireModel(flags.model) };
  const { model, data, settings: written } = recipe(name);
  const own: Record<string, unknown> = { ...flags.settings };
  for (const [setting, names] of defaulted) if (!names.some(isGiven)) delete own[setting];
  const { select, schedule } = flags.settings;
  if (select === undefined || Object.keys(select).length === 0) delete own["select"];
  if (!isGiven("schedule") && isGiven("learningRate")) {
    own["schedule"] = { kind: "one-cycle", ...written.schedule, peak: schedule?.peak };
  }
  const { budget: _, ...others } = written;
  if (isGiven("batch") && !isGiven("accumulate") && written.accumulate !== undefined) {
    own["accumulate"] = partsOf(own["batch"], written);
  }
  const ownGamma = own["select"] !== undefined && own["budget"] === undefined;
  return {
    model: requireModel(flags.model ?? model),
    data: isGiven("data") ? flags.data : requireData(data, name),
    settings: { ...(ownGamma ? others : written), ...own, epochs: flagOr(own["epochs"], written.epochs) },
  };
}

/** Of a batch of one's own, so many equal parts that none is larger than those of the recipe. */
function partsOf(batch: unknown, { batch: written = 1, accumulate = 1 }: SettingsInput): number {
  if (typeof batch !== "number") return accumulate;
  let parts = Math.ceil((batch * accumulate) / written);
  while (batch % parts !== 0) parts++;
  return parts;
}

function flagOr(own: unknown, written: number): number {
  return typeof own === "number" ? own : written;
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
