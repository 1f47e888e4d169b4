/**
 * Fills training batches one after the other, from a given (epoch, step) on. It runs in the loader's worker thread; it
 * knows nothing of threads itself, so tests compare it with the loader directly.
 */
import { normalizationTable, placementOf, writeAugmented } from "./augmentation.ts";
import { type Augmentation, type Normalization, type Split, sampleSize } from "./dataset.ts";
import { epochOrder, stepsPerEpoch } from "./order.ts";

/** Everything the content of every batch depends on. */
export interface TrainingPlan {
  readonly split: Split;
  readonly normalization: Normalization;
  readonly augmentation: Augmentation;
  /** Images in a batch. */
  readonly batch: number;
  readonly seed: number;
}

/** Counted from 0; step `s` of an epoch takes positions s·batch … (s + 1)·batch − 1 of its order. */
export interface BatchPosition {
  readonly epoch: number;
  readonly step: number;
}

export class BatchFiller {
  readonly #plan: TrainingPlan;
  readonly #steps: number;
  readonly #table: Float32Array;
  #epoch: number;
  #step: number;
  #order: Int32Array;

  constructor(plan: TrainingPlan, start: BatchPosition) {
    this.#plan = plan;
    this.#steps = stepsPerEpoch(plan.split.count, plan.batch);
    this.#table = normalizationTable(plan.normalization, plan.split.sampleShape[0]);
    this.#epoch = start.epoch + Math.floor(start.step / this.#steps);
    this.#step = start.step % this.#steps;
    this.#order = epochOrder(plan.seed, this.#epoch, plan.split.count);
  }

  /** Writes the next batch, `images` [batch,C,H,W] and `labels` [batch], and says which one it was. */
  fill(images: Float32Array, labels: Int32Array): BatchPosition {
    const { split, augmentation, batch, seed } = this.#plan;
    const position = { epoch: this.#epoch, step: this.#step };
    const size = sampleSize(split.sampleShape);
    for (let slot = 0; slot < batch; slot++) {
      const image = this.#order[position.step * batch + slot] ?? 0;
      const placement = placementOf(augmentation, seed, position.epoch, image);
      writeAugmented(
        split.images,
        image,
        images,
        slot * size,
        split.sampleShape,
        this.#table,
        augmentation.pad,
        placement,
      );
      labels[slot] = split.labels[image] ?? 0;
    }
    this.#advance();
    return position;
  }

  #advance(): void {
    this.#step++;
    if (this.#step < this.#steps) return;
    this.#step = 0;
    this.#epoch++;
    this.#order = epochOrder(this.#plan.seed, this.#epoch, this.#plan.split.count);
  }
}
