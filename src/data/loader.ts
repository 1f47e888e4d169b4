/**
 * Training batches prepared ahead in a worker thread. A ring of slots in shared memory goes back and forth: the main
 * thread hands out free slots, the worker returns them filled, in order. Whoever takes a batch releases it when the
 * engine has read it; nothing is copied between the threads.
 */
import type { Worker } from "node:worker_threads";
import { InternalError, required, UserError } from "../core/errors.ts";
import { type Labels, type Tensor, tensor } from "../core/tensor.ts";
import { spawnWorker } from "../core/worker.ts";
import { normalizationTable, resolveAugmentation } from "./augmentation.ts";
import { sampleSize } from "./dataset.ts";
import { stepsPerEpoch } from "./order.ts";
import type { BatchPosition, TrainingPlan } from "./training-batches.ts";

export interface TrainingLoaderOptions extends TrainingPlan {
  /** The first batch to deliver; default epoch 0, step 0. */
  readonly start?: BatchPosition;
  /** How many batches may be prepared or held at once; default 4. */
  readonly slots?: number;
}

export interface TrainingBatch extends BatchPosition {
  /** Normalised, [batch,C,H,W]; valid until `release`. */
  readonly images: Tensor;
  /** [batch]; valid until `release`. */
  readonly labels: Labels;
  /** Gives the memory back to be filled again; a second call does nothing. */
  release(): void;
}

/** One place for a batch, in shared memory. */
export interface Slot {
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** What the worker is started with. */
export interface LoaderSetup {
  readonly plan: TrainingPlan;
  readonly start: BatchPosition;
  readonly slots: readonly Slot[];
}

/** What the worker answers. */
export interface FilledSlot extends BatchPosition {
  readonly slot: number;
}

interface Waiting {
  resolve(filled: FilledSlot): void;
  reject(error: Error): void;
}

export class TrainingLoader {
  /** Steps of one epoch. */
  readonly stepsPerEpoch: number;
  readonly #plan: TrainingPlan;
  readonly #slots: readonly Slot[];
  readonly #worker: Worker;
  readonly #filled: FilledSlot[] = [];
  readonly #waiting: Waiting[] = [];
  #held = 0;
  #waitedMilliseconds = 0;
  #failure: Error | undefined;
  #closing: Promise<unknown> | undefined;

  /**
   * Starts preparing at once.
   * @throws UserError "bad-option" if the batch is larger than the split or an option does not fit the images.
   */
  constructor(options: TrainingLoaderOptions) {
    const { split, normalization, augmentation, batch, seed, start = { epoch: 0, step: 0 }, slots = 4 } = options;
    this.stepsPerEpoch = stepsPerEpoch(split.count, batch);
    checkPositive("slots", slots);
    // The worker needs both as well; made here too, a wrong option is an error of this call and not of a later one.
    resolveAugmentation(augmentation, augmentation, split.sampleShape);
    normalizationTable(normalization, split.sampleShape[0]);
    this.#plan = { split, normalization, augmentation, batch, seed };
    this.#slots = Array.from({ length: slots }, () => allocateSlot(this.#plan));
    const setup: LoaderSetup = { plan: this.#plan, start, slots: this.#slots };
    this.#worker = spawnWorker(import.meta.url, "./loader-worker", { workerData: setup });
    this.#worker.on("message", (filled: FilledSlot) => this.#receive(filled));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("messageerror", (error) => this.#fail(error));
    this.#worker.on("exit", (code) => this.#fail(new Error(`it stopped with code ${code}`)));
    for (let slot = 0; slot < slots; slot++) this.#worker.postMessage(slot);
    // Only a caller that waits for a batch keeps the process alive.
    this.#worker.unref();
  }

  /** Time `next` had to wait for the worker so far, in milliseconds. */
  get waitedMilliseconds(): number {
    return this.#waitedMilliseconds;
  }

  /**
   * The batch after the one given last.
   * @throws UserError "use-after-dispose"; InternalError if the worker failed or every slot is held and none released.
   */
  async next(): Promise<TrainingBatch> {
    if (this.#failure !== undefined) throw this.#failure;
    const ready = this.#filled.shift();
    if (ready !== undefined) return this.#take(ready);
    if (this.#held + this.#waiting.length >= this.#slots.length) {
      throw new InternalError(`all ${this.#slots.length} batches are in use; release one before asking for another`);
    }
    const from = performance.now();
    this.#worker.ref();
    try {
      return this.#take(await new Promise<FilledSlot>((resolve, reject) => this.#waiting.push({ resolve, reject })));
    } finally {
      this.#waitedMilliseconds += performance.now() - from;
      if (this.#waiting.length === 0) this.#worker.unref();
    }
  }

  /** Batches without end; each is released when the next one is asked for. Leave the loop with `break`. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TrainingBatch, void, undefined> {
    while (true) {
      const batch = await this.next();
      try {
        yield batch;
      } finally {
        batch.release();
      }
    }
  }

  /** Stops the worker. Pending and later calls of `next` reject with "use-after-dispose". */
  async dispose(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopWith(new UserError("use-after-dispose", "the loader of training batches was disposed of"));
    await this.#worker.terminate();
  }

  #receive(filled: FilledSlot): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#filled.push(filled);
    else waiting.resolve(filled);
  }

  #take({ slot, epoch, step }: FilledSlot): TrainingBatch {
    const { images, labels } = required(this.#slots[slot], `slot ${slot}`);
    const { batch, split } = this.#plan;
    this.#held++;
    let isHeld = true;
    return {
      epoch,
      step,
      images: tensor([batch, ...split.sampleShape], images),
      labels: { dtype: "i32", shape: [batch], data: labels },
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#held--;
        if (this.#failure === undefined) this.#worker.postMessage(slot);
      },
    };
  }

  #fail(cause: Error): void {
    if (this.#failure !== undefined) return;
    this.#stopWith(new InternalError(`the worker that prepares batches failed: ${cause.message}`, { cause }));
  }

  #stopWith(error: Error): void {
    this.#failure = error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}

function checkPositive(option: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new UserError("bad-option", "not a positive whole number", {
    about: option,
    expected: "1 or more",
    received: String(value),
  });
}

function allocateSlot({ batch, split }: TrainingPlan): Slot {
  const values = batch * sampleSize(split.sampleShape);
  return {
    images: new Float32Array(new SharedArrayBuffer(values * Float32Array.BYTES_PER_ELEMENT)),
    labels: new Int32Array(new SharedArrayBuffer(batch * Int32Array.BYTES_PER_ELEMENT)),
  };
}
