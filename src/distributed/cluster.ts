/**
 * The processes that train one network together, seen from one of them. A rank is one process; rank 0 writes files and
 * speaks for all. A process that was started alone is a cluster of one: nobody has to ask whether there are others.
 */
import type { UserError } from "../core/errors.ts";
import type { CollectivesSpec } from "./collectives.ts";

/** A process of the cluster. */
export interface Peer {
  readonly rank: number;
  readonly host: string;
  readonly process: number;
}

/** Every rank has to make the same calls in the same order. */
export interface Cluster {
  readonly rank: number;
  readonly size: number;
  readonly peers: readonly Peer[];
  /** Whether this is the rank that writes files and speaks. */
  readonly isFirst: boolean;
  /** Whether every rank knows of an error that ends the work of all. */
  readonly isTold: boolean;
  /** Threads that this rank computes with unless it is told otherwise. */
  readonly threads: number;
  /** What the engine's thread joins the sums with; undefined where there is nothing to sum. */
  readonly collectives: CollectivesSpec | undefined;
  /** What the record of a run says of it beside the engine: nothing of a cluster of one. */
  readonly description: Readonly<Record<string, string>>;

  /** "rank 3 on host-b", for messages. */
  nameOf(rank: number): string;

  /**
   * From here to `leave` the ranks miss each other: if one is gone, the others say so and end. Gives back the ranks
   * that could not be followed.
   */
  watch(): Promise<readonly number[]>;
  leave(): void;

  /** The values of all ranks, in their order; plain JSON. */
  gather<T>(value: T): Promise<T[]>;

  /** What rank 0 reads, on every other rank; undefined on rank 0. A failure to read is an error on all ranks. */
  toOthers(read: () => Promise<Uint8Array>): Promise<Uint8Array | undefined>;

  /** Element by element over all ranks. */
  sum(values: readonly number[]): Promise<readonly number[]>;

  /**
   * Has every rank do `work`. If it fails on any, it fails on all: rank 0 raises the error, its own or the first other
   * rank's, and the others a `FailureElsewhere`.
   */
  together<T>(work: () => Promise<T>): Promise<T>;

  /** Has rank 0 do `work`, and gives its result to all; plain JSON. If it fails, it fails on all, as in `together`. */
  onFirst<T>(work: () => Promise<T>): Promise<T>;

  /**
   * Refuses a rank that has other `facts` than rank 0, by what they are called. Where there is nobody to compare with,
   * they are not asked for.
   * @throws UserError "ranks-differ" on rank 0; a `FailureElsewhere` on others.
   */
  requireSame(facts: () => Readonly<Record<string, string>>): Promise<void>;
}

/** Does `work` as one of the ranks of `cluster`, which miss each other until it is done. */
export async function inCluster<T>(cluster: Cluster, work: () => Promise<T>): Promise<T> {
  const unheard = await cluster.watch();
  if (cluster.isFirst && unheard.length > 0) {
    const names = unheard.map((rank) => cluster.nameOf(rank)).join(", ");
    console.error(`! ${names} cannot connect to this host: if one is lost, only MPI can notice`);
  }
  try {
    const result = await work();
    cluster.leave();
    return result;
  } catch (error) {
    // What all ranks know of is not missed.
    if (cluster.isTold) cluster.leave();
    throw error;
  }
}

/** Raises `error`, which every rank has come to, on all of them: rank 0 tells it. */
export async function failTogether(cluster: Cluster, error: UserError): Promise<never> {
  return cluster.together(async () => {
    throw error;
  });
}
