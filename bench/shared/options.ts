/** Parses the options of a bench. */
import { availableParallelism } from "node:os";
import { z } from "zod";
import { type Precision, precisions } from "../../src/engine/engine.ts";

export function count(text: string, option: string): number {
  const parsed = z.coerce.number().int().min(1).safeParse(text);
  if (!parsed.success) throw new Error(`--${option} must be a whole number from 1, not "${text}"`);
  return parsed.data;
}

export function precisionOf(text: string): Precision {
  const found = precisions.find((precision) => precision === text);
  if (found === undefined) throw new Error(`--precision must be ${precisions.join(" or ")}, not "${text}"`);
  return found;
}

/** Options of `parseArgs` for all benches that compute. */
export const threadOptions = { threads: { type: "string", default: `${availableParallelism()}` } } as const;
