/**
 * Sums over all ranks, for the thread that computes. A sum starts when its numbers are ready, progresses while the
 * thread computes other things, and is awaited when its result is needed. All ranks must start the same sums in the
 * same order.
 */
import { performance } from "node:perf_hooks";
import { InternalError, required } from "../core/errors.ts";
import type { AbiName } from "./launch.ts";
import { loadMpi, type Mpi, type MpiHandle, type MpiMemory, type MpiRequest } from "./mpi/library.ts";

export interface Collectives {
  /** Starts to sum `count` floats. The memory must not be used until `end`. */
  begin(bucket: string, memory: MpiMemory, count: number): void;
  /** Lets the running sums make progress; cheap. */
  progress(): void;
  /** Waits until `bucket` is summed; returns its memory. */
  end(bucket: string): MpiMemory;
  /** Sums `values` in place and waits for the result. */
  sum(values: Float64Array<ArrayBuffer>): void;
  /** Times and bytes since the last call. */
  takeTimes(): CommunicationTimes;
}

export interface CommunicationTimes {
  /** Milliseconds in which this thread waited for sums instead of computing. */
  readonly waitedMilliseconds: number;
  /** Milliseconds in which at least one sum was running: the time that computing could hide. */
  readonly underWayMilliseconds: number;
  readonly bytes: number;
  /** The sums of the last step, in the order in which they started. */
  readonly sums: readonly SumTimes[];
}

/** When a sum was running, in milliseconds since the first sum of its step started. */
export interface SumTimes {
  readonly bucket: string;
  readonly bytes: number;
  readonly startedAt: number;
  /** When it was found to be done. It is tested only between two computations. */
  readonly doneAt: number;
  /** When its result was needed, and how long the thread then waited. */
  readonly neededAt: number;
  readonly waitedMilliseconds: number;
}

/** What a thread needs to take part in the sums; plain data. */
export interface CollectivesSpec {
  readonly abi: AbiName;
  readonly file: string;
  readonly communicator: MpiHandle;
}

let joined: Collectives | undefined;

/** The collectives of the calling thread. Throws an `InternalError` in a thread that has none. */
export function collectives(): Collectives {
  if (joined === undefined) throw new InternalError("a sum over ranks in a single process");
  return joined;
}

/** Sets the collectives of the calling thread. */
export function useCollectives(next: Collectives): void {
  joined = next;
}

/** Opens the collectives of the other ranks for the calling thread. MPI must be initialised already. */
export function joinCollectives({ abi, file, communicator }: CollectivesSpec): Collectives {
  return new MpiCollectives(loadMpi(abi, file), communicator);
}

/** Number of tests before the first pause: about the duration of a small sum. */
const SPINS = 2000;
const PAUSE_MICROSECONDS = 50;

interface RunningSum {
  readonly memory: MpiMemory;
  readonly request: MpiRequest;
  readonly startedAt: number;
  readonly bytes: number;
  /** Undefined while the sum is running. */
  doneAt: number | undefined;
}

class MpiCollectives implements Collectives {
  readonly #mpi: Mpi;
  readonly #communicator: MpiHandle;
  /** The running sums, in the order in which they started. */
  readonly #running = new Map<string, RunningSum>();
  #waited = 0;
  #busy = 0;
  #busySince = 0;
  #bytes = 0;
  /** The sums of the current or last step, with absolute times. */
  #sums: SumTimes[] = [];

  constructor(mpi: Mpi, communicator: MpiHandle) {
    this.#mpi = mpi;
    this.#communicator = communicator;
  }

  begin(bucket: string, memory: MpiMemory, count: number): void {
    const startedAt = performance.now();
    if (!this.#isBusy()) this.#busySince = startedAt;
    const request = this.#mpi.startSum(this.#communicator, memory, count, "float");
    const bytes = count * Float32Array.BYTES_PER_ELEMENT;
    if (this.#running.size === 0) this.#sums = [];
    this.#running.set(bucket, { memory, request, startedAt, bytes, doneAt: undefined });
    this.#bytes += bytes;
  }

  progress(): void {
    // Testing any one sum lets all of them progress.
    for (const entry of this.#running.values()) {
      if (entry.doneAt !== undefined) continue;
      this.#test(entry);
      return;
    }
  }

  end(bucket: string): MpiMemory {
    const entry = required(this.#running.get(bucket), `sum of bucket "${bucket}"`);
    const from = performance.now();
    for (let tests = 0; entry.doneAt === undefined; tests++) {
      this.#test(entry);
      if (tests > SPINS && entry.doneAt === undefined) this.#mpi.sleep(PAUSE_MICROSECONDS);
    }
    const waitedMilliseconds = performance.now() - from;
    this.#waited += waitedMilliseconds;
    this.#running.delete(bucket);
    const { startedAt, bytes, doneAt } = entry;
    this.#sums.push({ bucket, bytes, startedAt, doneAt, neededAt: from, waitedMilliseconds });
    return entry.memory;
  }

  sum(values: Float64Array<ArrayBuffer>): void {
    const from = performance.now();
    const request = this.#mpi.startSum(this.#communicator, values, values.length, "double");
    for (let tests = 0; !request.isDone(); tests++) if (tests > SPINS) this.#mpi.sleep(PAUSE_MICROSECONDS);
    const took = performance.now() - from;
    this.#waited += took;
    if (!this.#isBusy()) this.#busy += took;
    this.#bytes += values.byteLength;
  }

  takeTimes(): CommunicationTimes {
    const first = Math.min(...this.#sums.map(({ startedAt }) => startedAt));
    const sums = this.#sums
      .toSorted((a, b) => a.startedAt - b.startedAt)
      .map((sum) => ({
        ...sum,
        startedAt: sum.startedAt - first,
        doneAt: sum.doneAt - first,
        neededAt: sum.neededAt - first,
      }));
    const times = { waitedMilliseconds: this.#waited, underWayMilliseconds: this.#busy, bytes: this.#bytes, sums };
    this.#waited = 0;
    this.#busy = 0;
    this.#bytes = 0;
    return times;
  }

  #test(entry: RunningSum): void {
    if (!entry.request.isDone()) return;
    entry.doneAt = performance.now();
    if (!this.#isBusy()) this.#busy += entry.doneAt - this.#busySince;
  }

  #isBusy(): boolean {
    for (const { doneAt } of this.#running.values()) if (doneAt === undefined) return true;
    return false;
  }
}
