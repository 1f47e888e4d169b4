/** How a from-scratch baseline and a sweep treat the settings of a run, by the table of settings. */

import type { Setting } from "../training/settings/setting.ts";
import { asSettings, type SettingsInput, settings } from "../training/settings/settings.ts";

function namesWhere(isOne: (row: Setting) => boolean): ReadonlySet<string> {
  return new Set(settings.filter(([, row]) => isOne(row)).map(([name]) => name));
}

const omittedInBaseline = namesWhere(({ inBaseline }) => inBaseline === "omit");
const ownInBaseline = namesWhere(({ inBaseline }) => inBaseline === "own");

/** Settings that the machine or the run's folder decides at the start of a run. */
export const settledAtStart: ReadonlySet<string> = namesWhere(({ isSettledAtStart }) => isSettledAtStart === true);

/** Settings that a sweep sets for each of its runs. */
export const setBySweep: ReadonlySet<string> = namesWhere(({ isSetBySweep }) => isSetBySweep === true);

/** Whether a from-scratch baseline may differ from its run in the setting `name`. */
export function isOwnInBaseline(name: string): boolean {
  return omittedInBaseline.has(name) || ownInBaseline.has(name);
}

/** The settings of a run without those that a from-scratch baseline omits. */
export function baselineSettings(ofRun: object): SettingsInput {
  return asSettings(Object.fromEntries(Object.entries(ofRun).filter(([name]) => !omittedInBaseline.has(name))));
}
