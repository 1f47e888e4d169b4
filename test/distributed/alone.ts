/** Collectives of a single rank: what a data-parallel step must do to a whole batch. */
import type { Collectives } from "../../src/distributed/collectives.ts";
import type { MpiMemory } from "../../src/distributed/mpi/library.ts";

export function alone(): Collectives & { readonly log: readonly string[] } {
  const underWay = new Map<string, MpiMemory>();
  const log: string[] = [];
  return {
    log,
    begin: (bucket, memory) => {
      underWay.set(bucket, memory);
      log.push(`begin ${bucket}`);
    },
    progress: () => {},
    end: (bucket) => {
      const memory = underWay.get(bucket);
      if (memory === undefined) throw new Error(`"${bucket}" was never begun`);
      underWay.delete(bucket);
      log.push(`end ${bucket}`);
      return memory;
    },
    sum: () => {},
    takeTimes: () => ({ waitedMilliseconds: 0, underWayMilliseconds: 0, bytes: 0, sums: [] }),
  };
}
