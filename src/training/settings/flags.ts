/**
 * The flags of the table of settings: their names, their texts in `--help`, and the settings that they give.
 */
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import type { GammaRequest } from "./codecs.ts";
import type { Flag, Setting } from "./setting.ts";
import { type SettingName, settings } from "./settings.ts";

/** A flag with its row of the table. */
export interface SettingFlag extends Flag {
  /** `gamma-neurons` of `--gamma-neurons <γ>`, `shrink` of `--no-shrink`. */
  readonly key: string;
  readonly setting: SettingName;
  readonly row: Setting;
  /** The help text with the default. */
  readonly description: string;
}

/** `gamma-neurons` of `--gamma-neurons <γ>`, `shrink` of `--no-shrink`. */
export function keyOf(flag: string): string {
  return flag.split(" ")[0]?.replace(/^--(no-)?/, "") ?? "";
}

/** `--batch` of `--batch <images>`. */
export function nameOf(flag: string): string {
  return flag.split(" ")[0] ?? "";
}

/** `--no-distill` of `--distill [α,T]`. */
export function negationOf(flag: string): string {
  return `--no-${keyOf(flag)}`;
}

/** The default, in words, of a setting or of the part that `flag` decides; undefined if there is none to show. */
export function defaultOf({ schema, default: words }: Setting, flag?: Flag): string | undefined {
  if (flag?.default !== undefined) return flag.default;
  if (flag?.codec.kind === "switch") return undefined;
  if (words !== undefined && flag?.part === undefined) return words;
  const parsed = schema.safeParse(undefined);
  if (!parsed.success) return undefined;
  const value: unknown = flag?.part === undefined ? parsed.data : partOf(parsed.data, flag.part);
  return value === undefined ? undefined : String(value);
}

function partOf(value: unknown, part: string): unknown {
  return typeof value === "object" && value !== null ? new Map(Object.entries(value)).get(part) : undefined;
}

/** `help` with the default in brackets. */
export function describe(help: string, standard: string | undefined): string {
  return standard === undefined ? help : `${help} (default: ${standard})`;
}

/** All flags of settings, in the order of the table. */
export const settingFlags: readonly SettingFlag[] = settings.flatMap(([setting, row]) =>
  (row.flags ?? []).map((flag) => ({
    ...flag,
    key: keyOf(flag.flag),
    setting,
    row,
    description: describe(flag.help ?? row.help, defaultOf(row, flag)),
  })),
);

/** Settings given by flags: parsed text, with ranges not checked yet. */
export interface GivenSettings extends Readonly<Record<string, unknown>> {
  /** `all` stands for the kinds of structures that the network has. */
  readonly select?: GammaRequest;
}

/**
 * The settings that flags give, and no others. `given`: the values that the codecs read, by the keys of the flags.
 * @throws UserError "bad-option" for two flags that contradict each other.
 */
export function settingsOfFlags(given: ReadonlyMap<string, unknown>): GivenSettings {
  const found = settings.flatMap(([name]) => {
    const flags = settingFlags.filter(({ setting, key }) => setting === name && given.has(key));
    return flags.length === 0 ? [] : [[name, combined(flags, given)] as const];
  });
  return Object.fromEntries(found);
}

function combined(flags: readonly SettingFlag[], given: ReadonlyMap<string, unknown>): unknown {
  const wholes = flags.filter(({ part }) => part === undefined);
  if (wholes.length > 1) {
    const names = wholes.map(({ flag }) => nameOf(flag));
    throw new UserError("bad-option", `${names.join(" and ")} exclude each other`, {
      ...optional({ about: names.at(-1) }),
      hint: "Give one of them",
    });
  }
  const [whole] = wholes.map(({ key }) => given.get(key));
  const parts = flags.flatMap(({ key, part }) => (part === undefined ? [] : [[part, given.get(key)] as const]));
  // A setting that is off has no parts: --no-shrink beside --patience.
  if (parts.length === 0 || (whole !== undefined && typeof whole !== "object")) return whole;
  return { ...whole, ...Object.fromEntries(parts) };
}

/** `given`, with the missing parts of settings that have several parts; `base`: the settings of a recipe. */
export function completed(given: GivenSettings, base: object = {}): GivenSettings {
  const below = new Map<string, unknown>(Object.entries(base));
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      const complete = settings.find(([own]) => own === name)?.[1].complete;
      if (complete === undefined || typeof value !== "object" || value === null) return [name, value];
      const own = below.get(name);
      return [name, complete(value, typeof own === "object" && own !== null ? own : undefined)];
    }),
  );
}
