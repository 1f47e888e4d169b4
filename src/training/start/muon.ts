/** Whether the optimizer Muon fits the network. */
import { hiddenConvolutions } from "../../autodiff/hidden-convolutions.ts";
import type { Graph } from "../../graph/graph.ts";
import type { Settings } from "../settings/settings.ts";

/** A sentence if Muon is asked for and trains no weights of `graph`. */
export function muonNotice({ optimizer }: Pick<Settings, "optimizer">, graph: Graph): string | undefined {
  if (optimizer !== "muon" || hiddenConvolutions(graph).size > 0) return undefined;
  return "SGD trains all weights: Muon is for convolutions of one group behind another layer, and there are none";
}
