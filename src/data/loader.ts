/**
 * Prepares training batches ahead of time in worker threads. A ring of slots in shared memory goes back and forth: the
 * main thread sends each free slot with the number of its batch to a worker, and delivers the batches in order,
 * whichever worker is ready first. The caller releases a batch when the engine has read it. Nothing is copied between
 * threads.
 *
 * Stored images need one worker. Image files get more workers on machines with more cores, see `workersFor`.
 */

import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { requireArguments } from "../core/arguments.ts";
import { InternalError, required, UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { fromPortable, type PortableError } from "../core/portable-error.ts";
import { type Labels, type Tensor, tensor } from "../core/tensor.ts";
import { spawnWorker } from "../core/worker.ts";
import { normalizationTable, resolveAugmentation } from "./augmentation.ts";
import { type FileList, type Split, sampleSize } from "./dataset.ts";
import type { Unreadable, UnreadableImage } from "./images/unreadable.ts";
import { allocateInputs, type BatchInputs, type InputMemory, inputTensors } from "./inputs.ts";
import { stepsPerEpoch } from "./shuffle.ts";
import { type BatchPosition, positionAfter, type TrainingPlan } from "./training-batches.ts";

export interface TrainingLoaderOptions extends TrainingPlan {
  readonly split: Split;
  /** The first batch to deliver; default epoch 0, step 0. */
  readonly start?: BatchPosition;
  /** How many batches may be prepared or in use at once; default 4, or two for each worker if that is more. */
  readonly slots?: number;
  /** Number of worker threads; default 1, and for image files one for every four cores, at most 4. */
  readonly workers?: number;
}

export interface TrainingBatch extends BatchPosition {
  /** Normalised, [batch,C,H,W], or the requested part of the batch; valid until `release`. */
  readonly images: Tensor;
  /** [batch]; valid until `release`. */
  readonly labels: Labels;
  /** [batch, classes], only with soft labels; valid until `release`. */
  readonly targets?: Tensor;
  /** Values for the network's inputs besides the images, if the split has any; valid until `release`. */
  readonly inputs?: BatchInputs;
  /** Returns the memory to be filled again. A second call does nothing. */
  release(): void;
}

/** Memory for one batch, in shared memory. */
export interface Slot {
  readonly images: Float32Array;
  readonly labels: Int32Array;
  readonly targets?: Float32Array;
  readonly inputs?: InputMemory;
}

/** The data that a worker starts with. */
export interface LoaderSetup {
  readonly plan: TrainingPlan;
  readonly slots: readonly Slot[];
}

/** A request to a worker: fill `slot` with batch `number`, which is the one at `position`. */
export interface SlotRequest {
  readonly slot: number;
  readonly number: number;
  readonly position: BatchPosition;
}

export interface FilledSlot extends BatchPosition {
  readonly slot: number;
  readonly number: number;
  readonly unreadable: readonly UnreadableImage[];
}

/** A worker's answer to a request. */
export type WorkerAnswer = { readonly filled: FilledSlot } | { readonly failure: PortableError };

interface Waiting {
  resolve(batch: TrainingBatch): void;
  reject(error: Error): void;
}

export class TrainingLoader {
  /** Steps in one epoch. */
  readonly stepsPerEpoch: number;
  readonly #plan: TrainingPlan;
  readonly #start: BatchPosition;
  readonly #slots: readonly Slot[];
  readonly #workers: readonly Worker[];
  readonly #unreadable: Unreadable | undefined;
  /** Filled batches by number, until they are delivered. */
  readonly #filled = new Map<number, FilledSlot>();
  readonly #waiting: Waiting[] = [];
  /** Number of the next batch to request from a worker, and of the next batch to deliver. */
  #requested = 0;
  #delivered = 0;
  #inUse = 0;
  #waitedMilliseconds = 0;
  #failure: Error | undefined;
  #closing: Promise<unknown> | undefined;

  /**
   * Starts to prepare batches immediately.
   * @throws UserError "bad-option" if the batch is larger than the split or an option does not fit the images.
   */
  constructor(options: TrainingLoaderOptions) {
    requireArguments("new TrainingLoader", { options: [options, "object"] });
    const { split, normalization, augmentation, batch, part, seed, soft, start = { epoch: 0, step: 0 } } = options;
    requireArguments("new TrainingLoader", {
      ...{ "options.split": [split, "split"], "options.normalization": [normalization, "normalization"] },
      ...{ "options.augmentation": [augmentation, "object"], "options.batch": [batch, "whole number"] },
      "options.seed": [seed, "whole number"],
    });
    const { workers = workersFor(split), slots = Math.max(4, 2 * workers) } = options;
    this.stepsPerEpoch = stepsPerEpoch(split.count, batch);
    checkPositive("slots", slots);
    checkPositive("workers", workers);
    // The workers compute both again. Checking here makes a wrong option an error of this call, not of a later one.
    resolveAugmentation(augmentation, augmentation, split);
    normalizationTable(normalization, split.sampleShape[0]);
    this.#unreadable = "files" in split ? split.unreadable : undefined;
    this.#plan = {
      split: "files" in split ? plainList(split) : split,
      ...{ normalization, augmentation, batch, seed },
      ...optional({ part, soft }),
    };
    this.#start = start;
    this.#slots = Array.from({ length: slots }, () => allocateSlot(this.#plan));
    const setup: LoaderSetup = { plan: this.#plan, slots: this.#slots };
    this.#workers = Array.from({ length: Math.min(workers, slots) }, () => this.#startWorker(setup));
    for (let slot = 0; slot < slots; slot++) this.#request(slot);
  }

  #startWorker(setup: LoaderSetup): Worker {
    const worker = spawnWorker(import.meta.url, "./loader-worker", { workerData: setup });
    worker.on("message", (answer: WorkerAnswer) => this.#receive(answer));
    worker.on("error", (error) => this.#fail(error));
    worker.on("messageerror", (error) => this.#fail(error));
    worker.on("exit", (code) => this.#fail(new Error(`it stopped with code ${code}`)));
    // Only a caller that waits for a batch keeps the process alive.
    worker.unref();
    return worker;
  }

  /** Requests the next batch for `slot`. The workers take turns. */
  #request(slot: number): void {
    const number = this.#requested++;
    const request: SlotRequest = {
      slot,
      number,
      position: positionAfter(this.#start, number, this.stepsPerEpoch),
    };
    this.#workers[number % this.#workers.length]?.postMessage(request);
  }

  /** Total time that `next` waited for a worker, in milliseconds. */
  get waitedMilliseconds(): number {
    return this.#waitedMilliseconds;
  }

  /**
   * Returns the next batch.
   * @throws UserError "use-after-dispose"; InternalError if a worker failed, or if every slot is in use.
   */
  async next(): Promise<TrainingBatch> {
    if (this.#failure !== undefined) throw this.#failure;
    const ready = this.#waiting.length === 0 ? this.#filled.get(this.#delivered) : undefined;
    if (ready !== undefined) return this.#take(ready);
    if (this.#inUse + this.#waiting.length >= this.#slots.length) {
      throw new InternalError(`all ${this.#slots.length} batches are in use; release one before requesting another`);
    }
    const from = performance.now();
    for (const worker of this.#workers) worker.ref();
    try {
      return await new Promise<TrainingBatch>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    } finally {
      this.#waitedMilliseconds += performance.now() - from;
      if (this.#waiting.length === 0) for (const worker of this.#workers) worker.unref();
    }
  }

  /** Yields batches without end. Each batch is released when the next one is requested. End the loop with `break`. */
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

  /** Stops the workers. Pending and later calls of `next` reject with "use-after-dispose". */
  async dispose(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopWith(
      new UserError("use-after-dispose", "the loader of training batches was disposed of", {
        hint: "Make another loader, or dispose of this one later",
      }),
    );
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #receive(answer: WorkerAnswer): void {
    if ("failure" in answer) {
      if (this.#failure === undefined) this.#stopWith(fromPortable(answer.failure));
      return;
    }
    const { filled } = answer;
    for (const image of filled.unreadable) this.#unreadable?.add(image);
    this.#filled.set(filled.number, filled);
    while (this.#waiting.length > 0) {
      const ready = this.#filled.get(this.#delivered);
      if (ready === undefined) return;
      this.#waiting.shift()?.resolve(this.#take(ready));
    }
  }

  #take({ slot, number, epoch, step }: FilledSlot): TrainingBatch {
    const { images, labels, targets, inputs } = required(this.#slots[slot], `slot ${slot}`);
    this.#filled.delete(number);
    this.#delivered++;
    const { batch, split, soft, part } = this.#plan;
    const count = part?.count ?? batch;
    this.#inUse++;
    let isInUse = true;
    return {
      epoch,
      step,
      images: tensor([count, ...split.sampleShape], images),
      labels: { dtype: "i32", shape: [count], data: labels },
      ...(targets === undefined ? {} : { targets: tensor([count, soft?.classes ?? 0], targets) }),
      ...(inputs === undefined ? {} : { inputs: inputTensors(inputs, count) }),
      release: () => {
        if (!isInUse) return;
        isInUse = false;
        this.#inUse--;
        if (this.#failure === undefined) this.#request(slot);
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

/**
 * Number of workers. One worker fills thousands of stored images a second. A worker decodes only hundreds of image
 * files a second, but the engine needs most of the cores.
 */
function workersFor(split: Split): number {
  return "files" in split ? Math.min(4, Math.max(1, Math.floor(availableParallelism() / 4))) : 1;
}

/** The fields of a split that can be sent to a thread. */
function plainList({
  folder,
  files,
  labels,
  count,
  sampleShape,
  centreCrop,
  store,
  white,
  inputs,
}: FileList): FileList {
  return { folder, files, labels, count, sampleShape, centreCrop, ...optional({ store, white, inputs }) };
}

function checkPositive(option: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new UserError("bad-option", "not a positive whole number", {
    about: option,
    expected: "1 or more",
    received: String(value),
    hint: "Choose a whole number of 1 or more",
  });
}

function allocateSlot({ batch, split, soft, part }: TrainingPlan): Slot {
  const count = part?.count ?? batch;
  const floats = (length: number): Float32Array =>
    new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
  return {
    images: floats(count * sampleSize(split.sampleShape)),
    ...(soft === undefined ? {} : { targets: floats(count * soft.classes) }),
    ...(split.inputs === undefined ? {} : { inputs: allocateInputs(split.inputs, count) }),
    labels: new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT)),
  };
}
