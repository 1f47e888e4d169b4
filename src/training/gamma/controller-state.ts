/** The state of the budget's controller in a checkpoint, and how states of earlier versions are read. */
import { z } from "zod";
import type { ControllerState } from "../../selection/budget-controller.ts";

const numbers = z.record(z.string(), z.array(z.number()));
const marks = z.record(z.string(), z.string());

const current = z.strictObject({
  looks: z.int().nonnegative(),
  importance: numbers,
  chosen: marks,
  gamma: numbers,
  isMet: z.boolean(),
  correction: z.number(),
}) satisfies z.ZodType<ControllerState>;

/** Earlier versions penalized all structures by one γ and kept one mark for each: these two penalized it. */
const held = "3";
const urged = "2";

interface OlderState {
  readonly gamma: number;
  readonly largest: number;
  readonly holds?: Readonly<Record<string, readonly number[]>>;
  readonly isMet: boolean;
  readonly modes: Readonly<Record<string, string>>;
  readonly correction: number;
}

const older = z.strictObject({
  gamma: z.number(),
  largest: z.number(),
  holds: numbers.exactOptional(),
  isMet: z.boolean(),
  modes: marks,
  correction: z.number(),
}) satisfies z.ZodType<OlderState>;

/** The schema of the state on disk. */
export const controllerStateSchema: z.ZodType<ControllerState | OlderState> = z.union([current, older]);

/**
 * Converts a state of an earlier version. The structures that it penalized count as chosen; their importance is
 * estimated again.
 */
export function controllerStateOf(read: ControllerState | OlderState): ControllerState {
  if ("chosen" in read) return read;
  const { isMet, modes, correction } = read;
  const each = <T>(entryOf: (modes: string) => T): Record<string, T> =>
    Object.fromEntries(Object.entries(modes).map(([parameter, own]) => [parameter, entryOf(own)]));
  const none = each((own) => Array<number>(own.length).fill(0));
  const chosen = each((own) => Array.from(own, (mode) => (mode === held || mode === urged ? "1" : "0")).join(""));
  return { looks: 0, importance: none, chosen, gamma: none, isMet, correction };
}
