/**
 * Averages over ranks what each rank measures on its own images: the running statistics of batch norms, or, while
 * integers are simulated, the ranges of values. Batch norms keep their statistics then.
 */
import { tensor } from "../../core/tensor.ts";
import type { Graph } from "../../graph/graph.ts";
import type { LiveNetworkOptions, Plans } from "./training-plans.ts";

/** Gives all ranks the same statistics of `graph`, the network of `plans`. */
export async function shareStatistics(
  { training, ranges }: Plans,
  graph: Graph,
  { cluster, syncBatchNorm }: Pick<LiveNetworkOptions, "cluster" | "syncBatchNorm">,
): Promise<void> {
  const names = ranges === undefined ? (syncBatchNorm ? [] : statisticsOf(graph)) : [...ranges.values()];
  if (names.length === 0) return;
  const own = [...(await training.read(names))];
  const sums = await cluster.sum(own.flatMap(([, { data }]) => [...data]));
  let offset = 0;
  const means = own.map(([name, { shape, data }]) => {
    const mean = Float32Array.from(data, (_, index) => (sums[offset + index] ?? 0) / cluster.size);
    offset += data.length;
    return [name, tensor(shape, mean)] as const;
  });
  await training.write(new Map(means));
}

/** Names of the running statistics of batch norms. */
function statisticsOf({ parameters }: Graph): readonly string[] {
  return parameters.flatMap(({ name, kind }) => (kind === "running_mean" || kind === "running_variance" ? [name] : []));
}
