/** Values of a bench's options from the command line's text. */
import { availableParallelism } from "node:os";
import { z } from "zod";
import { type Precision, precisions } from "../../src/engine/engine.ts";

export function count(text: string, option: string): number {
  const parsed = z.coerce.number().int().min(1).safeParse(text);
  if (!parsed.success) throw new Error(`--${option} is a whole number from 1, not "${text}"`);
  return parsed.data;
}

export function precisionOf(text: string): Precision {
  const found = precisions.find((precision) => precision === text);
  if (found === undefined) throw new Error(`--precision is ${precisions.join(" or ")}, not "${text}"`);
  return found;
}

/** Options of `parseArgs` that every bench has that computes. */
export const threadOptions = { threads: { type: "string", default: `${availableParallelism()}` } } as const;
