/** Parses values from the text of a command-line option or of a form field. */
import { UserError } from "./errors.ts";
import { unknownName } from "./names.ts";
import { MOST_THREADS } from "./threads.ts";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Parses a decimal number. Throws `UserError("bad-option")` on any other text. */
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

/** A parser of whole numbers from `least` to `most`. */
export function integerFor(
  option: string,
  least = 1,
  most: number = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const isNumber = NUMBER.test(text.trim());
    const value = Number(text);
    if (isNumber && Number.isSafeInteger(value) && value >= least && value <= most) return value;
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
    throw new UserError("bad-option", "not a whole number in range", {
      about: option,
      expected: `a whole number ${range}`,
      received: isNumber ? text : `"${text}"`,
      hint: `Write a whole number, such as ${Math.max(least, 8)}`,
    });
  };
}

/** A parser of a number of threads. */
export function threadsFor(option: string): (text: string) => number {
  return integerFor(option, 1, MOST_THREADS);
}

/** A parser of comma-separated numbers, as in `--mean 0.49,0.48,0.45`. */
export function numbersFor(option: string): (text: string) => readonly number[] {
  return (text) => text.split(",").map((part) => parseNumber(part, option));
}

/** A parser of one of the names in `known`. On an unknown name it throws a `UserError` with the nearest known name. */
export function oneOf<Name extends string>(what: string, known: readonly Name[]): (text: string) => Name {
  return (text) => {
    const found = known.find((name) => name === text);
    if (found === undefined) throw unknownName(what, text, known);
    return found;
  };
}
