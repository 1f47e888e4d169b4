/** Checks that all ranks start a run from the same inputs. */
import type { Dataset } from "../../data/dataset.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import type { Network } from "../../graph/graph.ts";
import { hashData, hashWeights } from "../run-folder/run-record.ts";
import type { Settings } from "../settings/settings.ts";

/** The inputs of a run that must be the same on all ranks. */
export interface SharedInputs {
  readonly settings: Settings;
  readonly dataset: Dataset;
  readonly network: Network;
  readonly engine: Readonly<Record<string, string>>;
}

/**
 * Checks that all ranks have the same inputs as rank 0.
 * @throws UserError "ranks-differ" with the rank, its host and the difference.
 */
export async function requireSameInputs(
  cluster: Cluster,
  { settings, dataset, network, engine }: SharedInputs,
): Promise<void> {
  await cluster.requireSame(() => {
    const { train, test } = hashData(dataset);
    // Threads may differ: they only change the order of sums within a rank.
    const { threads: _, ...kernels } = engine;
    return {
      ...Object.fromEntries(
        Object.entries(settings).map(([name, value]) => [`option "${name}"`, JSON.stringify(value)] as const),
      ),
      "set of training images": `sha256 ${train}`,
      "set of test images": `sha256 ${test}`,
      "network to start from": `sha256 ${hashWeights(network.weights)}`,
      ...Object.fromEntries(Object.entries(kernels).map(([name, value]) => [`engine (${name})`, value])),
    };
  });
}
