/** A cluster of one process: collective calls return its own value at once. */
import { availableParallelism, hostname } from "node:os";
import type { Cluster, Peer } from "./cluster.ts";
import { threadsInEnvironment } from "./processors.ts";

export class SingleProcess implements Cluster {
  readonly rank = 0;
  readonly size = 1;
  readonly isFirst = true;
  readonly isTold = true;
  readonly collectives = undefined;
  readonly description: Readonly<Record<string, string>> = {};
  readonly peers: readonly Peer[] = [{ rank: 0, host: hostname(), process: process.pid }];
  readonly threads: number;

  /** `threads`: default `OMP_NUM_THREADS`, else one for each processor that the process may use. */
  constructor(threads?: number) {
    this.threads = threads ?? threadsInEnvironment() ?? availableParallelism();
  }

  nameOf(): string {
    return "this process";
  }

  async watch(): Promise<readonly number[]> {
    return [];
  }

  leave(): void {}

  async gather<T>(value: T): Promise<T[]> {
    return [value];
  }

  async toOthers(): Promise<undefined> {
    return undefined;
  }

  async sum(values: readonly number[]): Promise<readonly number[]> {
    return values;
  }

  async together<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  async onFirst<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  async requireSame(): Promise<void> {}
}
