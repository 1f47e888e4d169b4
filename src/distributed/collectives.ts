/**
 * Sums over all ranks, as the thread that computes asks for them: started when their numbers are there, moved on while it computes
 * other things, waited for when they are needed. All ranks must start the same ones in the same order.
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
  isDone: boolean;
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

  constructor(mpi: Mpi, communicator: MpiHandle) {
    this.#mpi = mpi;
    this.#communicator = communicator;
  }

  begin(bucket: string, memory: MpiMemory, count: number): void {
    const startedAt = performance.now();
    if (!this.#isBusy()) this.#busySince = startedAt;
    const request = this.#mpi.startSum(this.#communicator, memory, count, "float");
    this.#underWay.set(bucket, { memory, request, startedAt, isDone: false });
    this.#bytes += count * Float32Array.BYTES_PER_ELEMENT;
  }

  progress(): void {
    // One test moves everything on; which sum is tested does not matter.
    for (const entry of this.#underWay.values()) {
      if (entry.isDone) continue;
      this.#look(entry);
      return;
    }
  }

  end(bucket: string): MpiMemory {
    const entry = required(this.#underWay.get(bucket), `sum of bucket "${bucket}"`);
    const from = performance.now();
    for (let tests = 0; !entry.isDone; tests++) {
      this.#look(entry);
      if (tests > SPINS && !entry.isDone) this.#mpi.sleep(PAUSE_MICROSECONDS);
    }
    this.#waited += performance.now() - from;
    this.#underWay.delete(bucket);
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
    const times = { waitedMilliseconds: this.#waited, underWayMilliseconds: this.#busy, bytes: this.#bytes };
    this.#waited = 0;
    this.#busy = 0;
    this.#bytes = 0;
    return times;
  }

  #look(entry: UnderWay): void {
    entry.isDone = entry.request.isDone();
    if (entry.isDone && !this.#isBusy()) this.#busy += performance.now() - this.#busySince;
  }

  #isBusy(): boolean {
    for (const { isDone } of this.#underWay.values()) if (!isDone) return true;
    return false;
  }
}
