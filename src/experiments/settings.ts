/** Settings as data: read from plans and records, where their names are only known when they are read. */
import { parseSettings, type SettingsInput } from "../training/options.ts";

/** What a control is trained without: it only makes sense with factors, or with the weights and the place of the run it is of. */
const notOfControls: ReadonlySet<string> = new Set([
  ...["name", "select", "gammaBy", "budget", "gammaAfter", "budgetBy", "round", "shrink"],
  ...["freezeBatchNorm", "distill", "fromScratch"],
]);

/** Whether a control may differ from its run in the setting `name`; in its epochs, too, if it takes as many MACs. */
export function isOwnOfControl(name: string): boolean {
  return notOfControls.has(name) || name === "epochs";
}

/** `settings` of a run without what makes no sense in its control. */
export function controlSettings(settings: object): SettingsInput {
  return asSettings(Object.fromEntries(Object.entries(settings).filter(([name]) => !notOfControls.has(name))));
}

/**
 * `input` as settings, unchanged.
 * @throws what `parseSettings` throws.
 */
export function asSettings(input: unknown): SettingsInput {
  requireSettings(input);
  return input;
}

function requireSettings(input: unknown): asserts input is SettingsInput {
  parseSettings(input);
}
