/** Measures the time that sums over ranks took in an epoch, and which rank the others waited for. */
import type { Cluster } from "../../distributed/cluster.ts";
import type { EngineHost } from "../../engine/host.ts";
import type { EventBody } from "../events/events.ts";

/**
 * The events of an epoch of `steps` steps that took `milliseconds`; none without sums over ranks. The rank with the
 * shortest wait is the slowest one: its wait is communication alone. The additional wait of each other rank is a wait
 * for the slowest one.
 */
export async function describeCommunication(
  cluster: Cluster,
  host: EngineHost,
  steps: number,
  milliseconds: number,
): Promise<readonly EventBody[]> {
  if (cluster.collectives === undefined) return [];
  const { sums: _, ...own } = await host.takeCommunicationTimes();
  const all = await cluster.gather(own);
  const least = Math.min(...all.map(({ waitedMilliseconds }) => waitedMilliseconds));
  const last = all.findIndex(({ waitedMilliseconds }) => waitedMilliseconds === least);
  const lateness = all.reduce((sum, { waitedMilliseconds }) => sum + waitedMilliseconds - least, 0);
  const each = Math.max(1, steps);
  const event: EventBody = {
    type: "communication",
    ranks: cluster.size,
    bytes: (all[last]?.bytes ?? 0) / each,
    underWayMilliseconds: (all[last]?.underWayMilliseconds ?? 0) / each,
    exposedMilliseconds: least / each,
    stepMilliseconds: milliseconds / each,
    slowest: {
      rank: last,
      host: cluster.peers[last]?.host ?? "",
      waitedMilliseconds: lateness / Math.max(1, cluster.size - 1),
      share: milliseconds === 0 ? 0 : lateness / Math.max(1, cluster.size - 1) / milliseconds,
    },
  };
  return [event];
}
