/**
 * Documents that are derived from the code. `npm run docs` writes them; a test fails where one is not what the code
 * derives.
 */
import { defaultOf, nameOf } from "../src/training/settings/flags.ts";
import { type ControlRule, type Setting, settingGroups } from "../src/training/settings/setting.ts";
import { settings } from "../src/training/settings/settings.ts";

/** What may stand in a cell of a table. */
function cell(text: string): string {
  return text.replaceAll(/[|<]/g, "\\$&");
}

function row(cells: readonly string[]): string {
  return `| ${cells.map(cell).join(" | ")} |`;
}

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(heading), `|${"---|".repeat(heading.length)}`, ...rows.map(row)].join("\n");
}

const controls: { readonly [Rule in ControlRule]: string } = {
  inherit: "the same",
  omit: "left out",
  own: "its own",
};

function settingCells(name: string, setting: Setting): readonly string[] {
  const { help, unit = "", flags = [], control, isRequired } = setting;
  const names = flags.map(({ flag }) => `\`${nameOf(flag)}\``).join(", ");
  const standard = isRequired === true ? "required" : (defaultOf(setting) ?? "");
  return [`\`${name}\``, names, unit, standard, help, controls[control]];
}

function settingsPage(): string {
  const groups = Object.entries(settingGroups).flatMap(([group, title]) => {
    const rows = settings.filter(([, { group: own }]) => own === group);
    if (rows.length === 0) return [];
    const cells = rows.map(([name, setting]) => settingCells(name, setting));
    return [
      `## ${title}`,
      table(["setting", "flag", "unit", "default", "what it decides", "from-scratch baseline"], cells),
    ];
  });
  return [
    "# Settings",
    "<!-- Written by `npm run docs` from src/training/settings/. Do not edit. -->",
    [
      "All settings of a run. They are fields of `SettingsInput` in code, flags of `espalier train` and `espalier sweep`,",
      "fields of the page's form, and `settings` in `run.json`, `sweep.json` and recipes. The last column says what",
      "`espalier control` does with the setting of a run when it trains the pruned network again from new weights.",
    ].join("\n"),
    ...groups,
  ]
    .join("\n\n")
    .concat("\n");
}

/** Path from the root of the repository → what stands there. */
export const documents: readonly (readonly [path: string, content: string])[] = [["docs/settings.md", settingsPage()]];
