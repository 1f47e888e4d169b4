/**
 * Fills training batches. The content of a batch depends on its (epoch, step) and on nothing else. The loader's worker
 * threads run this code; it knows nothing of threads itself, so that tests can compare it with the loader.
 */
import { normalizationTable, placementOf, writeAugmented } from "./augmentation.ts";
import {
  type Augmentation,
  type FileList,
  type Normalization,
  type PaddedCrop,
  type StoredSplit,
  sampleSize,
} from "./dataset.ts";
import { fillFromFiles } from "./images/prepare.ts";
import type { UnreadableImage } from "./images/unreadable.ts";
import { type InputMemory, mixInputs, writeInputs } from "./inputs.ts";
import { type SoftLabels, softenBatch } from "./mixup-cutmix.ts";
import { epochOrder } from "./shuffle.ts";

/** Everything that the content of the batches depends on. */
export interface TrainingPlan {
  readonly split: StoredSplit | FileList;
  readonly normalization: Normalization;
  readonly augmentation: Augmentation;
  /** Images in a batch. */
  readonly batch: number;
  /** The part of each batch that is filled; default: all of it. */
  readonly part?: BatchPart;
  readonly seed: number;
  /** Soft labels and mixing of images. Default: neither. */
  readonly soft?: SoftLabels;
}

/** Consecutive images of a batch. */
export interface BatchPart {
  readonly first: number;
  readonly count: number;
}

/**
 * A batch's position, counted from 0. Step `s` of an epoch takes positions s·batch … (s + 1)·batch − 1 of the epoch's
 * order.
 */
export interface BatchPosition {
  readonly epoch: number;
  readonly step: number;
}

/** The position of batch `number`, counted from 0 at `start`, with `steps` steps in an epoch. */
export function positionAfter(start: BatchPosition, number: number, steps: number): BatchPosition {
  const step = start.step + number;
  return { epoch: start.epoch + Math.floor(step / steps), step: step % steps };
}

const noFlip: PaddedCrop = { pad: 0, flip: false };

export class BatchFiller {
  readonly #plan: TrainingPlan;
  readonly #table: Float32Array;
  #order: { readonly epoch: number; readonly indices: Int32Array } | undefined;

  constructor(plan: TrainingPlan) {
    this.#plan = plan;
    this.#table = normalizationTable(plan.normalization, plan.split.sampleShape[0]);
  }

  /**
   * Writes the batch at `position`, or the plan's part of it: `images` [batch,C,H,W], `labels` [batch] and, with soft
   * labels, `targets` [batch, classes], and the values of the split's `inputs`. Images are mixed with others of the
   * same part.
   * @returns the files that could not be read; other images replace them.
   */
  async fill(
    position: BatchPosition,
    images: Float32Array,
    labels: Int32Array,
    targets?: Float32Array,
    inputs?: InputMemory,
  ): Promise<readonly UnreadableImage[]> {
    const { split, normalization, augmentation, seed, soft } = this.#plan;
    const { epoch } = position;
    const indices = this.#indicesAt(position);
    let unreadable: readonly UnreadableImage[] = [];
    const take = (slot: number, image: number): void => {
      labels[slot] = split.labels[image] ?? 0;
      if (split.inputs !== undefined && inputs !== undefined) writeInputs(split.inputs, image, inputs, slot);
    };
    if ("images" in split) this.#fillStored(split, epoch, indices, images, take);
    else {
      const draw = "area" in augmentation ? { augmentation, seed, epoch } : undefined;
      unreadable = await fillFromFiles(split, indices, normalization, draw, images, take);
    }
    if (soft !== undefined && targets !== undefined) {
      const shares = softenBatch({ images, labels, targets }, indices, split.sampleShape, soft, seed, epoch);
      if (inputs !== undefined) mixInputs(inputs, shares);
    }
    return unreadable;
  }

  #fillStored(
    split: StoredSplit,
    epoch: number,
    indices: Int32Array,
    images: Float32Array,
    take: (slot: number, image: number) => void,
  ): void {
    const { augmentation, seed } = this.#plan;
    const crop = "pad" in augmentation ? augmentation : noFlip;
    const size = sampleSize(split.sampleShape);
    for (const [slot, image] of indices.entries()) {
      const placement = placementOf(crop, seed, epoch, image);
      writeAugmented(split.images, image, images, slot * size, split.sampleShape, this.#table, crop, placement);
      take(slot, image);
    }
  }

  /** Indices in the split of the batch's images. */
  #indicesAt({ epoch, step }: BatchPosition): Int32Array {
    const { split, batch, seed, part = { first: 0, count: batch } } = this.#plan;
    if (this.#order?.epoch !== epoch) this.#order = { epoch, indices: epochOrder(seed, epoch, split.count) };
    const first = step * batch + part.first;
    return this.#order.indices.subarray(first, first + part.count);
  }
}
