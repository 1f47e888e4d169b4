/**
 * When γ penalizes: from epoch `gammaAfter` on; with a budget, the budget is met by epoch `budgetBy`. Before
 * `gammaAfter` the factors train as other weights do, without a penalty.
 */
import { UserError } from "../../core/errors.ts";
import { usualWindow, type Window } from "../../selection/budget-controller.ts";
import type { Settings } from "../settings/settings.ts";

/** Latest share of Ση (the sum of the learning rates) at which the budget is met: factors hardly move after it. */
const LATEST_END = 0.8;

/**
 * @throws UserError "bad-option" if `gammaAfter` or `budgetBy` is outside of the run, if they are in the wrong order,
 * or if there is a `budgetBy` without a budget.
 */
export function requireWindow({ epochs, gammaAfter = 0, budgetBy, budget }: Settings): void {
  const refuse = (about: string, message: string, expected: string, hint: string): never => {
    throw new UserError("bad-option", message, { about, expected, hint });
  };
  if (gammaAfter >= epochs) {
    const hint = "Ask for fewer epochs without γ, or train for more epochs";
    refuse("gammaAfter", `γ would start after the last of ${epochs} epochs`, `below ${epochs}`, hint);
  }
  if (budgetBy === undefined) return;
  if (budget === undefined) {
    refuse(
      "budgetBy",
      "there is a time to meet the budget, but no budget",
      "a budget",
      "Give one with --budget, or leave --budget-by out",
    );
  }
  if (budgetBy <= gammaAfter || budgetBy > epochs) {
    const expected = `above ${gammaAfter} and at most ${epochs} epochs`;
    refuse(
      "budgetBy",
      `the budget cannot be met by epoch ${budgetBy}`,
      expected,
      "Choose an epoch after --gamma-after and before the end of the run",
    );
  }
}

/** The part of the run in which the cost falls to the budget. `progressAt` returns the share of Ση after an epoch. */
export function budgetWindow(
  { gammaAfter, budgetBy }: Pick<Settings, "gammaAfter" | "budgetBy">,
  progressAt: (epochs: number) => number,
): Window {
  const { start: usualStart, end: usualEnd } = usualWindow;
  const begun = gammaAfter === undefined ? undefined : progressAt(gammaAfter);
  const after = begun ?? usualStart;
  const usual = after + ((usualEnd - usualStart) / (1 - usualStart)) * (1 - after);
  const end = Math.min(LATEST_END, budgetBy === undefined ? usual : progressAt(budgetBy));
  const start = begun ?? Math.min(usualStart, (usualStart / usualEnd) * end);
  // The window must not be empty.
  return { start: Math.min(start, end - 0.01), end };
}
