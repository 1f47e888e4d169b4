/** Values from the text behind an option of the command line, or in a field of the page's form. */
import { UserError } from "./errors.ts";
import { unknownName } from "./names.ts";

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
