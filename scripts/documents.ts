/**
 * Documents that are derived from the code. `npm run docs` writes them; a test fails where one is not what the code
 * derives.
 */
import { z } from "zod";
import { stamp } from "../src/training/events/event-parts.ts";
import { eventDefinitions } from "../src/training/events/events.ts";
import { defaultOf, nameOf, negationOf } from "../src/training/settings/flags.ts";
import { type BaselineRule, type Setting, settingGroups } from "../src/training/settings/setting.ts";
import { settings } from "../src/training/settings/settings.ts";
import { resultsPicture } from "./results-picture.ts";

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

const controls: { readonly [Rule in BaselineRule]: string } = {
  inherit: "the same",
  omit: "left out",
  own: "its own",
};

function settingCells(name: string, setting: Setting): readonly string[] {
  const { help, unit = "", flags = [], inBaseline, isRequired } = setting;
  const names = flags
    .flatMap(({ flag, codec }) => [nameOf(flag), ...(codec.negated === undefined ? [] : [negationOf(flag)])])
    .map((name) => `\`${name}\``)
    .join(", ");
  const standard = isRequired === true ? "required" : (defaultOf(setting) ?? "");
  return [`\`${name}\``, names, unit, standard, help, controls[inBaseline]];
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
      "All settings of a run. They are fields of `SettingsInput` in code, flags of `espalier train` and",
      "`espalier sweep`, fields of the page's form, and `settings` in `run.json`, `sweep.json` and recipes. The last",
      "column says what `espalier control` does with the setting of a run when it trains the pruned network again from",
      "new weights.",
    ].join("\n"),
    ...groups,
  ]
    .join("\n\n")
    .concat("\n");
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** `schema` where it is one: JSON Schema also has true, false and lists in its place. */
function plain(schema: JsonSchema | readonly (JsonSchema | boolean)[] | boolean | undefined): JsonSchema {
  return typeof schema === "object" && !Array.isArray(schema) ? (schema as JsonSchema) : {};
}

const typeNames: ReadonlyMap<string, string> = new Map([
  ["integer", "whole number"],
  ["string", "text"],
  ["boolean", "true or false"],
]);

/** The type of a field in words. */
function typeOf({ anyOf, enum: choices, prefixItems, type, items }: JsonSchema): string {
  if (anyOf !== undefined) return anyOf.map((one) => typeOf(plain(one))).join(" or ");
  if (choices !== undefined) return choices.join(", ");
  if (prefixItems !== undefined) return prefixItems.map((one) => typeOf(plain(one))).join(" and ");
  if (type === "array") return plain(items).type === "object" ? "list of objects" : `list of ${typeOf(plain(items))}s`;
  const names = [type ?? []].flat();
  return names.map((name) => typeNames.get(name) ?? name).join(" or ");
}

/** A line for each field, with those of the objects in it behind it. */
function fieldCells({ properties = {}, required = [] }: JsonSchema, prefix = ""): readonly (readonly string[])[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const [field, path] = [plain(schema), `${prefix}${name}`];
    const type = required.includes(name) ? typeOf(field) : `${typeOf(field)}, or absent`;
    const inner = field.type === "array" ? fieldCells(plain(field.items), `${path}[].`) : fieldCells(field, `${path}.`);
    return [[`\`${path}\``, type, field.description ?? ""], ...inner];
  });
}

function eventsPage(): string {
  const ofAll = new Set(["type", ...Object.keys(stamp)]);
  const heading = ["field", "type", "what it is"];
  const events = eventDefinitions.flatMap((definition) => {
    const cells = fieldCells(z.toJSONSchema(definition)).filter(([path = ""]) => !ofAll.has(path.replaceAll("`", "")));
    return [`## \`${definition.shape.type.value}\``, definition.description ?? "", table(heading, cells)];
  });
  return [
    "# Events",
    "<!-- Written by `npm run docs` from src/training/events/events.ts. Do not edit. -->",
    [
      "A run tells what happens in one stream of events. `events.jsonl` in its folder has one a line; `--json` prints",
      "the same, and `onEvent` of `train` is called with them. Accuracies are percents; MACs and parameters are counts",
      "for one image; durations say their unit in their name. Every event has its `type` and these fields:",
    ].join("\n"),
    table(heading, fieldCells(z.toJSONSchema(z.object(stamp)))),
    ...events,
  ]
    .join("\n\n")
    .concat("\n");
}

/** Path from the root of the repository → what stands there. */
export const documents: readonly (readonly [path: string, content: string])[] = [
  ["docs/settings.md", settingsPage()],
  ["docs/events.md", eventsPage()],
  ["docs/pictures/results.svg", resultsPicture()],
];
