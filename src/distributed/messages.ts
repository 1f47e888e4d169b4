/**
 * Messages between ranks outside of training steps, as promises. The main thread tests now and then whether a message
 * has arrived and does other work meanwhile. All ranks must take part in the same messages in the same order.
 */
import { setTimeout } from "node:timers/promises";
import type { Mpi, MpiHandle, MpiRequest } from "./mpi/library.ts";

const SHORTEST_PAUSE = 1;
const LONGEST_PAUSE = 20;

export class Messages {
  readonly #mpi: Mpi;
  readonly #communicator: MpiHandle;
  readonly #size: number;
  /** The last message: messages run one after the other, whichever code sends them. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(mpi: Mpi, communicator: MpiHandle, size: number) {
    this.#mpi = mpi;
    this.#communicator = communicator;
    this.#size = size;
  }

  /** Returns the values of all ranks, in rank order; plain JSON. */
  gather<T>(value: T): Promise<T[]> {
    return this.#inTurn(async () => {
      const text = new TextEncoder().encode(JSON.stringify(value));
      const lengths = doubles([text.length]);
      const all = doubles(Array(this.#size).fill(0));
      await done(this.#mpi.startGather(this.#communicator, lengths, all, 1, "double"));
      // Every rank sends as many bytes as the longest value has.
      const longest = all.reduce((most, length) => Math.max(most, length), 0);
      const [own, gathered] = [bytes(longest), bytes(longest * this.#size)];
      own.set(text);
      await done(this.#mpi.startGather(this.#communicator, own, gathered, longest, "byte"));
      return Array.from(all, (length, rank) => {
        const part = gathered.subarray(rank * longest, rank * longest + length);
        return JSON.parse(new TextDecoder().decode(part)) as T;
      });
    });
  }

  /** Returns rank 0's `content` on all ranks; the others pass undefined. */
  broadcast(content: Uint8Array | undefined): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      const length = doubles([content?.length ?? 0]);
      await done(this.#mpi.startBroadcast(this.#communicator, length, 1, "double"));
      const received = bytes(length[0] ?? 0);
      if (content !== undefined) received.set(content);
      // Send it in pieces, because MPI counts in 32 bits.
      for (let from = 0; from < received.length; from += LARGEST_MESSAGE) {
        const piece = received.subarray(from, from + LARGEST_MESSAGE);
        await done(this.#mpi.startBroadcast(this.#communicator, piece, piece.length, "byte"));
      }
      return received;
    });
  }

  /** The elementwise sum over all ranks. */
  sum(values: readonly number[]): Promise<readonly number[]> {
    return this.#inTurn(async () => {
      const sums = doubles(values);
      await done(this.#mpi.startSum(this.#communicator, sums, sums.length, "double"));
      return [...sums];
    });
  }

  #inTurn<T>(talk: () => Promise<T>): Promise<T> {
    const next = this.#last.then(talk, talk);
    this.#last = next.catch(() => {});
    return next;
  }
}

const LARGEST_MESSAGE = 2 ** 28;

async function done(request: MpiRequest): Promise<void> {
  let pause = SHORTEST_PAUSE;
  while (!request.isDone()) {
    await setTimeout(pause);
    pause = Math.min(LONGEST_PAUSE, 2 * pause);
  }
}

/** Allocates outside JavaScript's heap, so that MPI can read and write while this thread waits. */
function doubles(values: readonly number[]): Float64Array<ArrayBuffer> {
  const array = new Float64Array(new ArrayBuffer(Math.max(1, values.length) * Float64Array.BYTES_PER_ELEMENT));
  array.set(values);
  return array.subarray(0, values.length);
}

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(Math.max(1, length))).subarray(0, length);
}
