/** Checks the settings of Muon. */
import { UserError } from "../../core/errors.ts";
import type { Settings } from "../settings/settings.ts";

/** Throws `UserError("bad-option")` if `settings` say how Muon trains weights, and SGD trains them. */
export function requireMuon({
  optimizer,
  learningRateOf,
  weightDecayOf,
}: Pick<Settings, "optimizer" | "learningRateOf" | "weightDecayOf">): void {
  if (optimizer === "muon") return;
  const about = [
    learningRateOf?.muon === undefined ? [] : ["learningRateOf"],
    weightDecayOf?.muon === undefined ? [] : ["weightDecayOf"],
  ].flat()[0];
  if (about === undefined) return;
  throw new UserError("bad-option", "no weights are trained by Muon", {
    about: `option "${about}"`,
    hint: 'Add --optimizer muon (optimizer: "muon" in code), or leave out the kind muon',
  });
}
