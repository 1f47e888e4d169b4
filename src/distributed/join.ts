/**
 * Joins the cluster of this process: the launcher's, or a cluster of one. A process that runs alone loads nothing of
 * MPI.
 */
import type { Cluster } from "./cluster.ts";
import { detectLaunch, type Launch } from "./launch.ts";
import { MpiCluster } from "./mpi-cluster.ts";
import { SingleProcess } from "./single-process.ts";

let joined: Promise<MpiCluster> | undefined;

/** The cluster of this process. The launcher's cluster is joined only once. Throws as `MpiCluster.open` does. */
export async function joinCluster(launch: Launch | undefined = detectLaunch()): Promise<Cluster> {
  if (launch === undefined) return new SingleProcess();
  joined ??= MpiCluster.open(launch);
  return joined;
}
