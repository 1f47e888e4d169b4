/**
 * The processes that train one network together, as one of them sees them. Each process is a rank; rank 0 writes files
 * and prints messages. A process that was started alone is a cluster of one, so no other code asks whether there are
 * more.
 */
import type { UserError } from "../core/errors.ts";
import type { CollectivesSpec } from "./collectives.ts";

/** A process of the cluster. */
export interface Peer {
  readonly rank: number;
  readonly host: string;
  readonly process: number;
}

/** All ranks must make the same calls in the same order. */
export interface Cluster {
  readonly rank: number;
  readonly size: number;
  readonly peers: readonly Peer[];
  /** Whether this is rank 0, which writes files and prints messages. */
  readonly isFirst: boolean;
  /** Whether every rank knows about an error that ends the work of all ranks. */
  readonly isTold: boolean;
  /** Default number of threads of this rank. */
  readonly threads: number;
  /** What the engine's thread needs to take part in sums; undefined in a cluster of one. */
  readonly collectives: CollectivesSpec | undefined;
  /** Entries about the cluster for the record of a run; empty for a cluster of one. */
  readonly description: Readonly<Record<string, string>>;

  /** "rank 3 on host-b", for messages. */
  nameOf(rank: number): string;

  /**
   * Monitors the other ranks until `leave`: if one is lost, the others report it and end. Returns the ranks that cannot
   * be monitored.
   */
  watch(): Promise<readonly number[]>;
  leave(): void;

  /** Returns the values of all ranks, in rank order; plain JSON. */
  gather<T>(value: T): Promise<T[]>;

  /** Sends what rank 0 reads to every other rank; undefined on rank 0. If reading fails, all ranks throw. */
  toOthers(read: () => Promise<Uint8Array>): Promise<Uint8Array | undefined>;

  /** The elementwise sum over all ranks. */
  sum(values: readonly number[]): Promise<readonly number[]>;

  /**
   * Runs `work` on every rank. If it fails on any rank, it fails on all: rank 0 throws the error (its own, or that of
   * the first rank that failed), the others a `FailureElsewhere`.
   */
  together<T>(work: () => Promise<T>): Promise<T>;

  /**
   * Runs `work` on rank 0 and returns its result on all ranks; plain JSON. If it fails, it fails on all, as in
   * `together`.
   */
  onFirst<T>(work: () => Promise<T>): Promise<T>;

  /**
   * Checks that all ranks have the same `facts` (name → value) as rank 0. A cluster of one does not compute them.
   * @throws UserError "ranks-differ" on rank 0; a `FailureElsewhere` on others.
   */
  requireSame(facts: () => Readonly<Record<string, string>>): Promise<void>;
}

/** Runs `work` as one of the ranks of `cluster`, and monitors the other ranks until it is done. */
export async function inCluster<T>(cluster: Cluster, work: () => Promise<T>): Promise<T> {
  const unmonitored = await cluster.watch();
  if (cluster.isFirst && unmonitored.length > 0) {
    const names = unmonitored.map((rank) => cluster.nameOf(rank)).join(", ");
    console.error(`! ${names} cannot connect to this host: if one is lost, only MPI can notice`);
  }
  try {
    const result = await work();
    cluster.leave();
    return result;
  } catch (error) {
    // All ranks know about this error, so they end without reporting this rank as lost.
    if (cluster.isTold) cluster.leave();
    throw error;
  }
}

/** Throws `error`, which occurred on every rank, on all of them. Rank 0 prints it. */
export async function failTogether(cluster: Cluster, error: UserError): Promise<never> {
  return cluster.together(async () => {
    throw error;
  });
}
