/**
 * Training batches prepared ahead in worker threads. A ring of slots in shared memory goes back and forth: the main
 * thread hands out free slots, each with the number of the batch it is for, and gives the batches on in their order,
 * whichever worker is ready first. Whoever takes a batch releases it when the engine has read it; nothing is copied
 * between the threads.
 *
 * Stored images need one worker. Image files get more where there are cores for it, see `workersFor`.
 */
import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { InternalError, required, UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { fromPortable, type PortableError } from "../core/portable-error.ts";
import { type Labels, type Tensor, tensor } from "../core/tensor.ts";
import { spawnWorker } from "../core/worker.ts";
import { normalizationTable, resolveAugmentation } from "./augmentation.ts";
import { type FileList, type Split, sampleSize } from "./dataset.ts";
import type { Unreadable, UnreadableImage } from "./images/unreadable.ts";
import { stepsPerEpoch } from "./shuffle.ts";
import { type BatchPosition, positionAfter, type TrainingPlan } from "./training-batches.ts";

export interface TrainingLoaderOptions extends TrainingPlan {
  readonly split: Split;
  /** The first batch to deliver; default epoch 0, step 0. */
  readonly start?: BatchPosition;
  /** How many batches may be prepared or held at once; default 4, or two a worker if that is more. */
  readonly slots?: number;
  /** Threads that prepare; default 1, for image files one in four cores, at most 4. */
  readonly workers?: number;
}

export interface TrainingBatch extends BatchPosition {
  /** Normalised, [batch,C,H,W], or the part asked for; valid until `release`. */
  readonly images: Tensor;
  /** [batch]; valid until `release`. */
  readonly labels: Labels;
  /** [batch, classes], with soft labels; valid until `release`. */
  readonly targets?: Tensor;
  /** Gives the memory back to be filled again; a second call does nothing. */
  release(): void;
}

/** One place for a batch, in shared memory. */
export interface Slot {
  readonly images: Float32Array;
  readonly labels: Int32Array;
  readonly targets?: Float32Array;
}

/** What the worker is started with. */
export interface LoaderSetup {
  readonly plan: TrainingPlan;
  readonly slots: readonly Slot[];
}

/** What a worker is asked: batch `number`, which is the one at `position`, into `slot`. */
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

/** What a worker answers. */
export type WorkerAnswer = { readonly filled: FilledSlot } | { readonly failure: PortableError };

interface Waiting {
  resolve(batch: TrainingBatch): void;
  reject(error: Error): void;
}

export class TrainingLoader {
  /** Steps of one epoch. */
  readonly stepsPerEpoch: number;
  readonly #plan: TrainingPlan;
  readonly #start: BatchPosition;
  readonly #slots: readonly Slot[];
  readonly #workers: readonly Worker[];
  readonly #unreadable: Unreadable | undefined;
  /** Filled batches by their number, until their turn. */
  readonly #filled = new Map<number, FilledSlot>();
  readonly #waiting: Waiting[] = [];
  /** Of the next batch to ask a worker for, and of the next to give on. */
  #asked = 0;
  #given = 0;
  #held = 0;
  #waitedMilliseconds = 0;
  #failure: Error | undefined;
  #closing: Promise<unknown> | undefined;

  /**
   * Starts preparing at once.
   * @throws UserError "bad-option" if the batch is larger than the split or an option does not fit the images.
   */
  constructor(options: TrainingLoaderOptions) {
    const { split, normalization, augmentation, batch, part, seed, soft, start = { epoch: 0, step: 0 } } = options;
    const { workers = workersFor(split), slots = Math.max(4, 2 * workers) } = options;
    this.stepsPerEpoch = stepsPerEpoch(split.count, batch);
    checkPositive("slots", slots);
    checkPositive("workers", workers);
    // The workers need both as well; made here too, a wrong option is an error of this call and not of a later one.
    resolveAugmentation(augmentation, augmentation, split);
    normalizationTable(normalization, split.sampleShape[0]);
    this.#unreadable = "files" in split ? split.unreadable : undefined;
    this.#plan = {
      split: "files" in split ? plainList(split) : split,
      ...{ normalization, augmentation, batch, seed },
      ...optional("part", part),
      ...optional("soft", soft),
    };
    this.#start = start;
    this.#slots = Array.from({ length: slots }, () => allocateSlot(this.#plan));
    const setup: LoaderSetup = { plan: this.#plan, slots: this.#slots };
    this.#workers = Array.from({ length: Math.min(workers, slots) }, () => this.#startWorker(setup));
    for (let slot = 0; slot < slots; slot++) this.#ask(slot);
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

  /** Has `slot` filled with the next batch that nobody was asked for; the workers take turns. */
  #ask(slot: number): void {
    const number = this.#asked++;
    const request: SlotRequest = {
      slot,
      number,
      position: positionAfter(this.#start, number, this.stepsPerEpoch),
    };
    this.#workers[number % this.#workers.length]?.postMessage(request);
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
    const ready = this.#waiting.length === 0 ? this.#filled.get(this.#given) : undefined;
    if (ready !== undefined) return this.#take(ready);
    if (this.#held + this.#waiting.length >= this.#slots.length) {
      throw new InternalError(`all ${this.#slots.length} batches are in use; release one before asking for another`);
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
    this.#stopWith(
      new UserError("use-after-dispose", "the loader of training batches was disposed of", {
        hint: "Make another loader, or close this one later",
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
      const ready = this.#filled.get(this.#given);
      if (ready === undefined) return;
      this.#waiting.shift()?.resolve(this.#take(ready));
    }
  }

  #take({ slot, number, epoch, step }: FilledSlot): TrainingBatch {
    const { images, labels, targets } = required(this.#slots[slot], `slot ${slot}`);
    this.#filled.delete(number);
    this.#given++;
    const { batch, split, soft, part } = this.#plan;
    const count = part?.count ?? batch;
    this.#held++;
    let isHeld = true;
    return {
      epoch,
      step,
      images: tensor([count, ...split.sampleShape], images),
      labels: { dtype: "i32", shape: [count], data: labels },
      ...(targets === undefined ? {} : { targets: tensor([count, soft?.classes ?? 0], targets) }),
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#held--;
        if (this.#failure === undefined) this.#ask(slot);
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

/** One worker of stored images fills thousands a second; a decoder hundreds, and the engine needs the cores more. */
function workersFor(split: Split): number {
  return "files" in split ? Math.min(4, Math.max(1, Math.floor(availableParallelism() / 4))) : 1;
}

/** What of a split can be sent to a thread. */
function plainList({ folder, files, labels, count, sampleShape, centreCrop, store }: FileList): FileList {
  return { folder, files, labels, count, sampleShape, centreCrop, ...(store === undefined ? {} : { store }) };
}

function checkPositive(option: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new UserError("bad-option", "not a positive whole number", {
    about: option,
    expected: "1 or more",
    received: String(value),
    hint: "Choose a whole number from 1",
  });
}

function allocateSlot({ batch, split, soft, part }: TrainingPlan): Slot {
  const count = part?.count ?? batch;
  const floats = (length: number): Float32Array =>
    new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
  return {
    images: floats(count * sampleSize(split.sampleShape)),
    ...(soft === undefined ? {} : { targets: floats(count * soft.classes) }),
    labels: new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT)),
  };
}
