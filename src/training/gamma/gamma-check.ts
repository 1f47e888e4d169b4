/** Checks what a γ policy returns. */
import { UserError } from "../../core/errors.ts";
import type { Weights } from "../../graph/graph.ts";
import type { Factor } from "../../selection/factors.ts";

/** @throws UserError "bad-option" unless `gammas` has a γ for each structure of `factors`. */
export function requireGammas(gammas: Weights, factors: readonly Factor[]): void {
  for (const { parameter, count } of factors) {
    const given = gammas.get(parameter)?.data.length ?? 0;
    if (given === count) continue;
    throw new UserError("bad-option", "the γ policy does not return one γ for each structure", {
      about: parameter,
      expected: `${count} numbers`,
      received: `${given}`,
      hint: "Start from what gammasOf(run.factors) returns",
    });
  }
}
