/** The γ policy that the settings of a run ask for. */
import { UserError } from "../../core/errors.ts";
import type { RunOptions } from "../session/run-scope.ts";
import type { Session } from "../session/session.ts";
import type { Settings } from "../settings/settings.ts";
import { BudgetGamma } from "./budget-gamma.ts";
import { ConstantGamma, DelayedGamma, type GammaPolicy } from "./gamma-policy.ts";

export function gammaPolicyFor(session: Session): GammaPolicy {
  const { budget, gammaAfter = 0 } = session.settings;
  if (budget !== undefined) return new BudgetGamma(session, budget);
  return gammaAfter === 0 ? new ConstantGamma() : new DelayedGamma(Math.round(gammaAfter * session.stepsPerEpoch));
}

/** @throws UserError "bad-option" if both the caller's γ policy and the settings decide γ. */
export function requireOneGamma(
  { budget, gammaAfter }: Settings,
  { gammaPolicy }: Pick<RunOptions, "gammaPolicy">,
): void {
  const other = budget === undefined ? (gammaAfter === undefined ? undefined : "gammaAfter") : "budget";
  if (gammaPolicy === undefined || other === undefined) return;
  throw new UserError("bad-option", `"${other}" and the γ policy "${gammaPolicy.name}" would both decide γ`, {
    about: `option "${other}"`,
    hint: "Leave one of them out",
  });
}
