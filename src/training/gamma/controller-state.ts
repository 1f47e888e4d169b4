/** The state of the budget's controller in a checkpoint, and how states of earlier versions are read. */
import { z } from "zod";
import type { ControllerState } from "../../selection/budget-controller.ts";

const numbers = z.record(z.string(), z.array(z.number()));
const marks = z.record(z.string(), z.string());

const count = z.int().nonnegative();
const common = { importance: numbers, chosen: marks, gamma: numbers, isMet: z.boolean(), correction: z.number() };

const current = z.strictObject({ updates: count, ...common }) satisfies z.ZodType<ControllerState>;

type RenamedState = Omit<ControllerState, "updates"> & { readonly looks: number };

/** An earlier version called the number of updates `looks`. */
const renamed = z.strictObject({ looks: count, ...common }) satisfies z.ZodType<RenamedState>;

/** Before that, one γ penalized all structures, and each had a mark: these two mean that γ applied to it. */
const penalizedMarks: ReadonlySet<string> = new Set(["2", "3"]);

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
export const controllerStateSchema: z.ZodType<ControllerState | RenamedState | OlderState> = z.union([
  current,
  renamed,
  older,
]);

/**
 * Converts a state of an earlier version. In states without `chosen`, the structures that were penalized count as
 * chosen, and importance is estimated again.
 */
export function controllerStateOf(read: ControllerState | RenamedState | OlderState): ControllerState {
  if ("updates" in read) return read;
  if ("looks" in read) {
    const { looks, ...others } = read;
    return { updates: looks, ...others };
  }
  const { isMet, modes, correction } = read;
  const each = <T>(entryOf: (modes: string) => T): Record<string, T> =>
    Object.fromEntries(Object.entries(modes).map(([parameter, own]) => [parameter, entryOf(own)]));
  const none = each((own) => Array<number>(own.length).fill(0));
  const chosen = each((own) => Array.from(own, (mode) => (penalizedMarks.has(mode) ? "1" : "0")).join(""));
  return { updates: 0, importance: none, chosen, gamma: none, isMet, correction };
}
