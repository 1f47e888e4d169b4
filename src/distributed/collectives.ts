/**
 * Sums over all ranks, as the thread that computes asks for them: started when their numbers are there, moved on while
 * it computes other things, waited for when they are needed. All ranks must start the same ones in the same order.
 */
import { performance } from "node:perf_hooks";
import { InternalError, required } from "../core/errors.ts";
import type { AbiName } from "./launch.ts";
import { loadMpi, type Mpi, type MpiHandle, type MpiMemory, type MpiRequest } from "./mpi/library.ts";

export interface Collectives {
  /** Starts summing `count` floats, which are not to be touched until `end`. */
  begin(bucket: string, memory: MpiMemory, count: number): void;
  /** Moves what is under way on; cheap. */
  progress(): void;
  /** Waits until `bucket` is summed, and gives back its memory. */
  end(bucket: string): MpiMemory;
  /** Sums at once, and waits for it. */
  sum(values: Float64Array<ArrayBuffer>): void;
  /** What was summed and waited for since the last call. */
  takeTimes(): CommunicationTimes;
}

export interface CommunicationTimes {
  /** Milliseconds in which nothing was computed because sums were not there yet. */
  readonly waitedMilliseconds: number;
  /** Milliseconds from the starts of sums to their ends, one sum after the other: what there was to hide. */
  readonly underWayMilliseconds: number;
  readonly bytes: number;
  /** The sums of the last step, in the order of their starts. */
  readonly sums: readonly SumTimes[];
}

/** When a sum was under way; milliseconds since the first one of its step was started. */
export interface SumTimes {
  readonly bucket: string;
  readonly bytes: number;
  readonly startedAt: number;
  /** When it was seen to be done: looked at between computing two things. */
  readonly doneAt: number;
  /** When it was needed, and how long it was waited for then. */
  readonly neededAt: number;
  readonly waitedMilliseconds: number;
}

/** What a thread needs to join the sums; plain data. */
export interface CollectivesSpec {
  readonly abi: AbiName;
  readonly file: string;
  readonly communicator: MpiHandle;
}

let joined: Collectives | undefined;

/** Those of the calling thread. Throws an `InternalError` in one that never joined. */
export function collectives(): Collectives {
  if (joined === undefined) throw new InternalError("a sum over ranks in a process that is alone");
  return joined;
}

/** Has the calling thread use `next`, if it is given, from now on. */
export function useCollectives(next: Collectives): void {
  joined = next;
}

/** Joins the sums of the other ranks from the calling thread; MPI is initialised already. */
export function joinCollectives({ abi, file, communicator }: CollectivesSpec): Collectives {
  return new MpiCollectives(loadMpi(abi, file), communicator);
}

/** Tests before the first pause: about as long as a small sum takes. */
const SPINS = 2000;
const PAUSE_MICROSECONDS = 50;

interface UnderWay {
  readonly memory: MpiMemory;
  readonly request: MpiRequest;
  readonly startedAt: number;
  readonly bytes: number;
  /** Undefined while it is under way. */
  doneAt: number | undefined;
}

class MpiCollectives implements Collectives {
  readonly #mpi: Mpi;
  readonly #communicator: MpiHandle;
  /** In the order of their starts. */
  readonly #underWay = new Map<string, UnderWay>();
  #waited = 0;
  #busy = 0;
  #busySince = 0;
  #bytes = 0;
  /** Of the step that is under way or was last; times by the clock. */
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
    if (this.#underWay.size === 0) this.#sums = [];
    this.#underWay.set(bucket, { memory, request, startedAt, bytes, doneAt: undefined });
    this.#bytes += bytes;
  }

  progress(): void {
    // One test moves everything on; which sum is tested does not matter.
    for (const entry of this.#underWay.values()) {
      if (entry.doneAt !== undefined) continue;
      this.#look(entry);
      return;
    }
  }

  end(bucket: string): MpiMemory {
    const entry = required(this.#underWay.get(bucket), `sum of bucket "${bucket}"`);
    const from = performance.now();
    for (let tests = 0; entry.doneAt === undefined; tests++) {
      this.#look(entry);
      if (tests > SPINS && entry.doneAt === undefined) this.#mpi.sleep(PAUSE_MICROSECONDS);
    }
    const waitedMilliseconds = performance.now() - from;
    this.#waited += waitedMilliseconds;
    this.#underWay.delete(bucket);
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

  #look(entry: UnderWay): void {
    if (!entry.request.isDone()) return;
    entry.doneAt = performance.now();
    if (!this.#isBusy()) this.#busy += entry.doneAt - this.#busySince;
  }

  #isBusy(): boolean {
    for (const { doneAt } of this.#underWay.values()) if (doneAt === undefined) return true;
    return false;
  }
}
