/** Puts batch norms that an exporter merged into convolutions back, before a run trains the network. */
import type { Dataset } from "../../../data/dataset.ts";
import type { Cluster } from "../../../distributed/cluster.ts";
import type { Graph, Network } from "../../../graph/graph.ts";
import type { Settings } from "../../settings/settings.ts";
import { channelStatistics } from "./channel-statistics.ts";
import { convolutionsWithMergedNorms } from "./merged-norms.ts";
import { type Restored, withNorms } from "./restored-norms.ts";

type Chosen = Pick<Settings, "engine" | "threads" | "batch" | "fromScratch"> &
  Pick<Settings, "restoreBatchNorm" | "freezeBatchNorm" | "int8">;

/**
 * `network` with its batch norms put back, if the `settings` allow it and it has lost them. One rank runs the training
 * images, so that all have the same statistics. Throws the errors of the engine and of reading images.
 */
export async function restored(
  network: Network,
  dataset: Dataset,
  settings: Chosen,
  cluster: Cluster,
): Promise<Restored & { readonly notice?: string }> {
  // Frozen batch norms would normalise nothing. Ranges of integers are learnt for the layers that the file has.
  const isWanted = settings.restoreBatchNorm !== false && !settings.freezeBatchNorm && settings.int8 !== true;
  const convolutions = isWanted ? convolutionsWithMergedNorms(network.graph) : [];
  if (convolutions.length === 0) return { network, norms: [] };
  const values = convolutions.map(({ outputs: [dst = ""] }) => dst);
  const statistics = settings.fromScratch
    ? undefined
    : await cluster.onFirst(() =>
        channelStatistics(network, values, dataset, { ...settings, threads: settings.threads ?? cluster.threads }),
      );
  const start = statistics === undefined ? "" : " without a change of its answers";
  return {
    ...withNorms(network, convolutions, statistics),
    notice:
      `The network has no batch norms behind ${convolutions.length} of its convolutions; its exporter has probably ` +
      `merged them. They are put back for training${start}, because it trains far better with them, and merged ` +
      "again in the files that are written. To refuse this, give --no-restore-bn",
  };
}

/** `graph` with batch norms that start as in a new network, behind the convolutions that have lost theirs. */
export function withNewNorms(graph: Graph): Graph {
  return withNorms({ graph, weights: new Map() }, convolutionsWithMergedNorms(graph, 1), undefined).network.graph;
}
