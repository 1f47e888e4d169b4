/**
 * When γ is at work: `gammaAfter`, the epochs that come before it, and with a budget `budgetBy`, the epochs after which
 * it is to be met. Before, the factors train as other weights do, without a penalty.
 */
import { UserError } from "../../core/errors.ts";
import { usualWindow, type Window } from "../../selection/budget-controller.ts";
import type { Settings } from "../settings/settings.ts";

/** Share of Ση by which a cost has to have fallen at the latest: after it, factors hardly move. */
const LATEST_END = 0.8;

/**
 * @throws UserError "bad-option" if γ would never be at work, or a budget be met before it is or without there being
 * one.
 */
export function requireWindow({ epochs, gammaAfter = 0, budgetBy, budget }: Settings): void {
  const refuse = (about: string, message: string, expected: string, hint: string): never => {
    throw new UserError("bad-option", message, { about, expected, hint });
  };
  if (gammaAfter >= epochs) {
    const hint = "Ask for fewer epochs without γ, or train for more";
    refuse("gammaAfter", `γ would begin after the last of ${epochs} epochs`, `below ${epochs}`, hint);
  }
  if (budgetBy === undefined) return;
  if (budget === undefined) {
    refuse(
      "budgetBy",
      "there is no budget to be met by then",
      "a budget",
      "Name one with --budget, or leave --budget-by out",
    );
  }
  if (budgetBy <= gammaAfter || budgetBy > epochs) {
    const expected = `above ${gammaAfter} and at most ${epochs} epochs`;
    refuse(
      "budgetBy",
      `the budget cannot be met by epoch ${budgetBy}`,
      expected,
      "Leave it time between the two, and before the end",
    );
  }
}

/** The part of the run in which the cost falls to the budget; `progressAt`: the share of Ση at the end of an epoch. */
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
  // After nearly all of Ση is spent there is no line to speak of.
  return { start: Math.min(start, end - 0.01), end };
}
