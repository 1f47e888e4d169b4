/** Checks whether the optimizer Muon fits the settings and the network. */
import { hiddenConvolutions } from "../../autodiff/hidden-convolutions.ts";
import { UserError } from "../../core/errors.ts";
import type { Graph } from "../../graph/graph.ts";
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

/** A sentence if Muon is asked for and trains no weights of `graph`. */
export function muonNotice({ optimizer }: Pick<Settings, "optimizer">, graph: Graph): string | undefined {
  if (optimizer !== "muon" || hiddenConvolutions(graph).size > 0) return undefined;
  return "SGD trains all weights: Muon is for convolutions of one group behind another layer, and there are none";
}
