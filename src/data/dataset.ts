/**
 * What a dataset is once it is open: two splits and the constants that go with them. A split is either 8-bit images in
 * shared memory, so that worker threads read them without a copy, or a list of image files that are decoded when a
 * batch needs them.
 */
import { UserError } from "../core/errors.ts";
import type { Unreadable } from "./images/unreadable.ts";

/** Channels, height, width. */
export type SampleShape = readonly [number, number, number];

/** Per-channel constants over pixels / 255: a network sees (pixel / 255 − mean) / standardDeviation. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly standardDeviation: readonly number[];
}

/** A crop of the padded image and a flip, for images that all have the network's size; see `augmentation.ts`. */
export interface PaddedCrop {
  /** Black pixels added on each side before a crop of the original size is taken; 0 for no crop. */
  readonly pad: number;
  /** Whether half of the images are mirrored left to right. */
  readonly flip: boolean;
}

/**
 * A random part of the image, mirrored and recoloured, for images of any size; see `images/view.ts` and
 * `images/colour.ts`.
 */
export interface AreaCrop {
  /** Least and largest share of the image's area. */
  readonly area: readonly [number, number];
  /** Least and largest width / height of the part. */
  readonly aspect: readonly [number, number];
  readonly flip: boolean;
  /** Largest relative change of brightness, contrast and saturation, each; 0 for none. */
  readonly colour: number;
  /** Standard deviation of the noise along the principal components of colour (AlexNet's); 0 for none. */
  readonly noise: number;
}

/** The random changes made to training images. */
export type Augmentation = PaddedCrop | AreaCrop;

/** Images in memory. */
export interface StoredSplit {
  /** `count` planar C×H×W records, one after the other, over a `SharedArrayBuffer`. */
  readonly images: Uint8Array;
  /** Class of each image, 0 … classes − 1, over a `SharedArrayBuffer`. */
  readonly labels: Int32Array;
  readonly count: number;
  readonly sampleShape: SampleShape;
}

export interface ImageFile {
  /** Relative to the split's folder, or absolute. */
  readonly path: string;
  readonly bytes: number;
  /** Where in the list's `store` it begins, for images that lie there; `path` then only says which it is. */
  readonly at?: number;
}

/**
 * Images in files, of any size; decoded, cut and scaled to `sampleShape` on demand. Plain data: it can be sent to a
 * thread.
 */
export interface FileList {
  readonly folder: string;
  readonly files: readonly ImageFile[];
  /** Class of each file, over a `SharedArrayBuffer`. */
  readonly labels: Int32Array;
  readonly count: number;
  readonly sampleShape: SampleShape;
  /** Share of each side that the centre crop keeps. */
  readonly centreCrop: number;
  /** Encoded images out of a container, over a `SharedArrayBuffer`. */
  readonly store?: Uint8Array;
}

export interface FileSplit extends FileList {
  /** What could not be decoded so far. */
  readonly unreadable: Unreadable;
}

export type Split = StoredSplit | FileSplit;

/** How image files become the network's input; all that `run.json` needs to open the same data again. Plain JSON. */
export interface ImagePreparation {
  /** Height and width in pixels. */
  readonly size: readonly [number, number];
  /** 1: converted to grey; 3: to sRGB. */
  readonly channels: 1 | 3;
  readonly mean: readonly number[];
  readonly standardDeviation: readonly number[];
  /** Share of each side that the centre crop of a test image keeps. */
  readonly centreCrop: number;
  /** Share of each class's images that are held out for testing where the data itself has no test part. */
  readonly testShare: number;
  /** Decides which those are. */
  readonly splitSeed: number;
}

export interface Dataset<S extends Split = Split> {
  readonly name: string;
  readonly classes: readonly string[];
  readonly sampleShape: SampleShape;
  readonly normalization: Normalization;
  /** What suits these images when the caller only says "augment". */
  readonly augmentation: Augmentation;
  readonly train: S;
  readonly test: S;
  /** For image files. */
  readonly preparation?: ImagePreparation;
  /** What a user should know about how the data was read, as sentences. */
  readonly notes?: readonly string[];
}

/** Bytes of one record. */
export function sampleSize([channels, height, width]: SampleShape): number {
  return channels * height * width;
}

/**
 * An empty split in shared memory, for a reader to fill.
 * @throws UserError "out-of-memory" if the machine does not give that much.
 */
export function allocateSplit(count: number, sampleShape: SampleShape): StoredSplit {
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
export function firstImages<S extends Split>(split: S, count: number): S {
  return imagesBetween(split, 0, Math.min(count, split.count));
}

/** The images of `split` from `first` (inclusive) to `end`, over the same memory. */
export function imagesBetween<S extends Split>(split: S, first: number, end: number): S {
  const part =
    "files" in split ? { files: split.files.slice(first, end) } : { images: recordsBetween(split, first, end) };
  return { ...split, ...part, labels: split.labels.subarray(first, end), count: end - first };
}

function recordsBetween({ images, sampleShape }: StoredSplit, first: number, end: number): Uint8Array {
  const size = sampleSize(sampleShape);
  return images.subarray(first * size, end * size);
}
