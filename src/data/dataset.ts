/**
 * What a dataset is once it is open: two splits of 8-bit images in shared memory, so that worker threads read them
 * without a copy, and the constants that go with them.
 */
import { UserError } from "../core/errors.ts";

/** Channels, height, width. */
export type SampleShape = readonly [number, number, number];

/** Per-channel constants over pixels / 255: a network sees (pixel / 255 − mean) / standardDeviation. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly standardDeviation: readonly number[];
}

/** The random changes made to training images; see `augmentation.ts`. */
export interface Augmentation {
  /** Black pixels added on each side before a crop of the original size is taken; 0 for no crop. */
  readonly pad: number;
  /** Whether half of the images are mirrored left to right. */
  readonly flip: boolean;
}

export interface Split {
  /** `count` planar C×H×W records, one after the other, over a `SharedArrayBuffer`. */
  readonly images: Uint8Array;
  /** Class of each image, 0 … classes − 1, over a `SharedArrayBuffer`. */
  readonly labels: Int32Array;
  readonly count: number;
  readonly sampleShape: SampleShape;
}

export interface Dataset {
  readonly name: string;
  readonly classes: readonly string[];
  readonly sampleShape: SampleShape;
  readonly normalization: Normalization;
  /** What suits these images when the caller only says "augment". */
  readonly augmentation: Augmentation;
  readonly train: Split;
  readonly test: Split;
}

/** Bytes of one record. */
export function sampleSize([channels, height, width]: SampleShape): number {
  return channels * height * width;
}

/**
 * An empty split in shared memory, for a reader to fill.
 * @throws UserError "out-of-memory" if the machine does not give that much.
 */
export function allocateSplit(count: number, sampleShape: SampleShape): Split {
  const bytes = count * sampleSize(sampleShape);
  try {
    return {
      images: new Uint8Array(new SharedArrayBuffer(bytes)),
      labels: new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT)),
      count,
      sampleShape,
    };
  } catch (cause) {
    throw new UserError("out-of-memory", `no memory for ${count} images (${bytes} bytes)`, {
      hint: "Close other programs or use a smaller dataset",
      cause,
    });
  }
}

/** The first `count` images of `split`, over the same memory; all of them if it has fewer. */
export function firstImages(split: Split, count: number): Split {
  const kept = Math.min(count, split.count);
  return {
    ...split,
    images: split.images.subarray(0, kept * sampleSize(split.sampleShape)),
    labels: split.labels.subarray(0, kept),
    count: kept,
  };
}
