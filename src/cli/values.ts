/** Option values from the command line's text. Ranges are checked where the settings are; here only what is no number at all. */
import { UserError } from "../core/errors.ts";
import { unknownName } from "../core/names.ts";
import { type SelectionKey, selectionKeys } from "../selection/factors.ts";
import type { ScheduleOptions, Selection } from "../training/options.ts";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** @throws UserError "bad-option" unless `text` is a decimal number. */
export function parseNumber(text: string, option: string): number {
  if (!NUMBER.test(text.trim())) {
    throw new UserError("bad-option", "not a number", {
      about: option,
      expected: "a number",
      received: `"${text}"`,
      hint: "Write it with a decimal point, such as 0.5 or 1e-4",
    });
  }
  return Number(text);
}

/** A parser of numbers for commander, which names `option` in its error. */
export function numberFor(option: string): (text: string) => number {
  return (text) => parseNumber(text, option);
}

/** A parser of whole numbers from `least`. */
export function integerFor(option: string, least = 1): (text: string) => number {
  return (text) => {
    const value = parseNumber(text, option);
    if (!Number.isSafeInteger(value) || value < least) {
      throw new UserError("bad-option", "not a whole number in range", {
        about: option,
        expected: `a whole number from ${least}`,
        received: text,
        hint: "Choose a number in that range",
      });
    }
    return value;
  };
}

/** A parser of comma-separated numbers, as in `--mean 0.49,0.48,0.45`. */
export function numbersFor(option: string): (text: string) => readonly number[] {
  return (text) => text.split(",").map((part) => parseNumber(part, option));
}

/** A parser of one of the names in `known`; a name that is none of them gets the nearest suggested. */
export function oneOf<Name extends string>(what: string, known: readonly Name[]): (text: string) => Name {
  return (text) => {
    const found = known.find((name) => name === text);
    if (found === undefined) throw unknownName(what, text, known);
    return found;
  };
}

export const scheduleKinds: readonly ScheduleOptions["kind"][] = ["one-cycle", "cosine", "step"];

const selectionKinds: readonly SelectionKey[] = Object.values(selectionKeys);

/** γ as given to `--gamma`: one number for all of the paper's kinds that the network has, or numbers by kind. */
export type Gamma = number | Selection;

/** A parser of one γ for commander, which names `option` in its error. */
export function gammaFor(option: string): (text: string) => number {
  return (text) => {
    const value = parseNumber(text, option);
    if (value < 0) {
      throw new UserError("bad-option", "the sparsity strength γ is never below 0", {
        about: option,
        expected: "0 or more",
        received: text,
        hint: "0 leaves these structures alone; a larger γ takes more of them",
      });
    }
    return value;
  };
}

/** `0.01`, or `neurons=0.0016,blocks=0.02,streams=0.002`. */
export function parseGamma(text: string): Gamma {
  const parseOne = gammaFor("--gamma");
  if (!text.includes("=")) return parseOne(text);
  const selection: { -readonly [Key in SelectionKey]?: number } = {};
  for (const part of text.split(",")) {
    const [name = "", value = ""] = part.split("=");
    const kind = selectionKinds.find((known) => known === name.trim());
    if (kind === undefined) throw unknownName("kind of structure in --gamma", name.trim(), selectionKinds);
    selection[kind] = parseOne(value);
  }
  return selection;
}
