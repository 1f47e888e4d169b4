/** Batch-norm statistics of several ranks: each has those of its own images, and their mean is that of the run. */
import { tensor } from "../../core/tensor.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import type { PlanHandle } from "../../engine/host.ts";
import type { Graph } from "../../graph/graph.ts";

/** Gives the running statistics of `graph` in `plan` their mean over the ranks. */
export async function averageStatistics(plan: PlanHandle, graph: Graph, cluster: Cluster): Promise<void> {
  const names = graph.parameters.flatMap(({ name, kind }) =>
    kind === "running_mean" || kind === "running_variance" ? [name] : [],
  );
  const own = [...(await plan.read(names))];
  const sums = await cluster.sum(own.flatMap(([, { data }]) => [...data]));
  let offset = 0;
  const means = own.map(([name, { shape, data }]) => {
    const mean = Float32Array.from(data, (_, index) => (sums[offset + index] ?? 0) / cluster.size);
    offset += data.length;
    return [name, tensor(shape, mean)] as const;
  });
  await plan.write(new Map(means));
}
