/**
 * Which cluster this process belongs to: that of its launcher, or one of its own. A process that is alone loads nothing
 * of MPI.
 */
import type { Cluster } from "./cluster.ts";
import { detectLaunch, type Launch } from "./launch.ts";
import { MpiCluster } from "./mpi-cluster.ts";
import { SingleProcess } from "./single-process.ts";

let joined: Promise<MpiCluster> | undefined;

/** The cluster of this process; one of several processes is joined once. Throws what `MpiCluster.open` throws. */
export async function joinCluster(launch: Launch | undefined = detectLaunch()): Promise<Cluster> {
  if (launch === undefined) return new SingleProcess();
  joined ??= MpiCluster.open(launch);
  return joined;
}
