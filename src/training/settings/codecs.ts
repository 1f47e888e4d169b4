/** Codecs: how the text behind a flag becomes a value. The schemas of the settings check ranges. */
import { UserError } from "../../core/errors.ts";
import { unknownName } from "../../core/names.ts";
import { integerFor, numbersFor, oneOf, parseNumber, threadsFor } from "../../core/text-values.ts";
import { type Selection, type SelectionKey, selectionKeys } from "../../selection/factors.ts";
import type { Codec } from "./setting.ts";

export const text: Codec = { kind: "text", read: (value) => value };

export const number: Codec = { kind: "number", read: parseNumber };

/** A whole number of at least `least`. */
export function wholeNumber(least = 1): Codec {
  return { kind: "number", read: (value, flag) => integerFor(flag, least)(value) };
}

/** A number of threads. */
export const threadCount: Codec = { kind: "number", read: (value, flag) => threadsFor(flag)(value) };

/** One of `names`; `what` says in messages what they name. */
export function choice(what: string, names: readonly string[]): Codec {
  return { kind: "choice", choices: names, read: oneOf(what, names) };
}

/** A flag without text behind it, which means `value`. */
export function switchTo(value: boolean): Codec {
  return { kind: "switch", bare: value, read: () => value };
}

/** Numbers, separated by commas. */
export const numbers: Codec = { kind: "numbers", read: (value, flag) => numbersFor(flag)(value) };

/** `a=1,b=0.5`: a value for each name, which may have `=` in it; `what` says in messages what is named. */
export function byName(what: string, read: (text: string, flag: string, name: string) => unknown): Codec {
  return {
    kind: "text",
    read: (value, flag) => {
      const refuse = (problem: string, hint: string): UserError =>
        new UserError("bad-option", problem, {
          ...{ about: flag, expected: "name=value,name=value", received: value, hint },
        });
      const found = new Map<string, unknown>();
      for (const part of value.split(",")) {
        const at = part.lastIndexOf("=");
        const name = part.slice(0, Math.max(0, at)).trim();
        if (name === "") throw refuse(`the value lacks the name of ${what}`, "Write a name before each value");
        // An object would take it as the object it inherits from.
        if (name === "__proto__") throw refuse("the name is reserved", "Give it another name in the file");
        if (found.has(name)) throw refuse(`"${name}" is there twice`, "Give one value for each name");
        found.set(name, read(part.slice(at + 1).trim(), flag, name));
      }
      return Object.fromEntries(found);
    },
  };
}

/** `shift=64,bias=2`: a number for some kinds of parameters, which are `kinds`. */
export function numbersOf(kinds: readonly string[]): Codec {
  return byName("a kind of parameters", (text, flag, name) => {
    if (!kinds.includes(name)) throw unknownName(`kind in ${flag}`, name, kinds);
    return parseNumber(text, flag);
  });
}

/** Names, separated by commas. */
export const names: Codec = { kind: "text", read: readNames };

export function readNames(value: string, flag: string): readonly string[] {
  const found = value.split(",").map((name) => name.trim());
  if (!found.includes("")) return found;
  throw new UserError("bad-option", "a name is empty", {
    about: flag,
    expected: "names with a comma between each two",
    received: `"${value}"`,
    hint: "Leave out the comma that has no name beside it",
  });
}

/** A whole number, or "auto". */
export const wholeNumberOrAuto: Codec = {
  kind: "text",
  read: (value, flag) => (value === "auto" ? value : integerFor(flag)(value)),
};

/** α of mixup or cutmix. */
export function mixing(kind: "mixup" | "cutmix", alpha: number): Codec {
  const withAlpha = (value: number): object => ({ kind, alpha: value });
  return { kind: "number", bare: withAlpha(alpha), read: (value, flag) => withAlpha(parseNumber(value, flag)) };
}

/** `0.5,4`: weight of the teacher's answers in the loss, and temperature; `0.5`, the weight alone; or `none`. */
export const distillation: Codec = {
  kind: "numbers",
  bare: {},
  negated: false,
  read: (value, flag) => {
    if (value === "none") return false;
    const [weight, temperature, ...more] = numbersFor(flag)(value);
    if (more.length > 0) {
      throw new UserError("bad-option", "the value is not a weight and a temperature", {
        about: flag,
        expected: "0.5, 0.5,4 or none",
        received: value,
        hint: "Give the weight of the teacher's answers, or the weight and the temperature with a comma between them",
      });
    }
    return temperature === undefined ? { weight } : { weight, temperature };
  },
};

/** `224`, or `192x256`: height and width. */
export const size: Codec = { kind: "text", read: readSize };

export function readSize(value: string, flag = "--size"): readonly [height: number, width: number] {
  const parts = value.toLowerCase().split("x");
  if (parts.length > 2) {
    throw new UserError("bad-option", "the value is not a size", {
      about: flag,
      expected: "224 or 192x256",
      received: value,
      hint: "Give one number for square images, or height and width with an x between them",
    });
  }
  const [height = 0, width = height] = parts.map(integerFor(flag));
  return [height, width];
}

/** γ of one kind of structure. */
export const gamma: Codec = { kind: "number", read: readGamma };

function readGamma(value: string, flag: string): number {
  const parsed = parseNumber(value, flag);
  if (parsed >= 0) return parsed;
  throw new UserError("bad-option", "the sparsity strength γ is never below 0", {
    about: flag,
    expected: "0 or more",
    received: value,
    hint: "0 prunes none of these structures; a larger γ prunes more of them",
  });
}

/** γ as `--gamma` takes it. `all`: for neurons, groups and blocks, as far as the network has them. */
export interface GammaRequest extends Selection {
  readonly all?: number;
}

/** `0.01` for all kinds of structures, or `neurons=0.0016,blocks=0.02,streams=0.002`. */
export const gammas: Codec = { kind: "text", read: readGammas };

export function readGammas(value: string, flag = "--gamma"): GammaRequest {
  if (!value.includes("=")) return { all: readGamma(value, flag) };
  const selection: { -readonly [Key in SelectionKey]?: number } = {};
  const kinds: readonly SelectionKey[] = Object.values(selectionKeys);
  for (const part of value.split(",")) {
    const [name = "", strength = ""] = part.split("=");
    const kind = kinds.find((known) => known === name.trim());
    if (kind === undefined) throw unknownName(`kind of structure in ${flag}`, name.trim(), kinds);
    selection[kind] = readGamma(strength, flag);
  }
  return selection;
}
