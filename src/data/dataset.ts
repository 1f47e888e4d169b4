/**
 * The types of an open dataset: two splits and their constants. A split is either 8-bit images in shared memory, which
 * worker threads read without a copy, or a list of image files that are decoded when a batch needs them.
 */
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import type { Flip, FlipName } from "./flip.ts";
import type { Unreadable } from "./images/unreadable.ts";
import { inputsAt, inputsBetween, type SplitInputs } from "./inputs.ts";
import type { LabelSets } from "./label-sets.ts";

/**
 * How a word of a column becomes numbers: its place among the words, or 1 at its place and 0 at those of the others.
 */
export const wordForms = ["index", "one-hot"] as const;

/** A column of words. */
export interface WordColumn {
  readonly column: string;
  readonly as: (typeof wordForms)[number];
  /** All words, in the order that the network was trained with; `otherWords` stands for those that are not listed. */
  readonly words: readonly string[];
}

export const otherWords = "*";

/** The name of a column of numbers, or a column of words. */
export type InputColumn = string | WordColumn;

/** The columns of a table whose numbers an input gets, one column after the other, by the name of the input. */
export type InputColumns = Readonly<Record<string, readonly InputColumn[]>>;

export function columnName(column: InputColumn): string {
  return typeof column === "string" ? column : column.column;
}

/** The names of all columns that `inputs` get. */
export function columnNames(inputs: InputColumns = {}): readonly string[] {
  return Object.values(inputs).flat().map(columnName);
}

/** Channels, height, width. */
export type SampleShape = readonly [number, number, number];

/** Per-channel constants over pixels / 255: a network sees (pixel / 255 − mean) / standardDeviation. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly standardDeviation: readonly number[];
}

/** A crop of the padded image and a flip, for images that all have the network's input size; see `augmentation.ts`. */
export interface PaddedCrop {
  /** Pixels added on each side before the crop to the original size; 0 for no crop. */
  readonly pad: number;
  /** Whether and how images are mirrored left to right; see `flip.ts`. */
  readonly flip: Flip;
  /** What is added: black (default), or the image mirrored at its outermost pixels. */
  readonly border?: Border;
}

export const borders = ["black", "reflect"] as const;
export type Border = (typeof borders)[number];

/**
 * A random part of the image, mirrored and with changed colours, for images of any size; see `images/view.ts` and
 * `images/colour.ts`.
 */
export interface AreaCrop {
  /** Smallest and largest fraction of the image's area. */
  readonly area: readonly [number, number];
  /** Smallest and largest aspect ratio (width / height) of the part. */
  readonly aspect: readonly [number, number];
  readonly flip: Flip;
  /** Largest relative change of brightness, contrast and saturation, each; 0 for none. */
  readonly colour: number;
  /** Standard deviation of the noise along the principal components of colour (AlexNet's); 0 for none. */
  readonly noise: number;
}

/** The random changes made to training images. */
export type Augmentation = PaddedCrop | AreaCrop;

interface FlipOption {
  readonly flip?: Flip | FlipName;
}

/** Changes of a dataset's own augmentation: what is left out stays. */
export type AugmentationOptions =
  | (Partial<Omit<PaddedCrop, "flip">> & FlipOption)
  | (Partial<Omit<AreaCrop, "flip">> & FlipOption);

/** Images in memory. */
export interface StoredSplit {
  /** `count` planar C×H×W records, one after the other, over a `SharedArrayBuffer`. */
  readonly images: Uint8Array;
  /** Class of each image, 0 … classes − 1, over a `SharedArrayBuffer`. */
  readonly labels: Int32Array;
  readonly count: number;
  readonly sampleShape: SampleShape;
  /** Values for the network's inputs besides the images; default: there are none. */
  readonly inputs?: SplitInputs;
}

export interface ImageFile {
  /** Path relative to the split's folder, or absolute. */
  readonly path: string;
  readonly bytes: number;
  /** Offset of the image in the list's `store`, if the list has one; `path` is then only a name for messages. */
  readonly at?: number;
}

/**
 * Images in files, of any size, which are decoded, cropped and scaled to `sampleShape` on demand. Plain data: it can be
 * sent to a thread.
 */
export interface FileList {
  readonly folder: string;
  readonly files: readonly ImageFile[];
  /** Class of each file, over a `SharedArrayBuffer`. */
  readonly labels: Int32Array;
  readonly count: number;
  readonly sampleShape: SampleShape;
  /** Fraction of each side that the centre crop keeps. */
  readonly centreCrop: number;
  /** Encoded images from a container file, over a `SharedArrayBuffer`. */
  readonly store?: Uint8Array;
  /** The value of 16-bit images that becomes 255; default: 65,535. */
  readonly white?: number;
  /** Values for the network's inputs besides the images; default: there are none. */
  readonly inputs?: SplitInputs;
}

export interface FileSplit extends FileList {
  /** The images that could not be decoded so far. */
  readonly unreadable: Unreadable;
}

export type Split = StoredSplit | FileSplit;

/** How image files become the network's input. `run.json` stores this to open the same data again. Plain JSON. */
export interface ImagePreparation {
  /** Height and width in pixels. */
  readonly size: readonly [number, number];
  /** 1: images are converted to grey; 3: to sRGB. */
  readonly channels: 1 | 3;
  readonly mean: readonly number[];
  readonly standardDeviation: readonly number[];
  /** Fraction of each side that the centre crop of a test image keeps. */
  readonly centreCrop: number;
  /** Fraction of each class that is held out for testing if the data has no test split. */
  readonly testShare: number;
  /** Seed that decides which images are held out. */
  readonly splitSeed: number;
  /** Only for data with 16-bit images: their value that becomes 255. */
  readonly white?: number;
}

export interface Dataset<S extends Split = Split> {
  readonly name: string;
  readonly classes: readonly string[];
  readonly sampleShape: SampleShape;
  readonly normalization: Normalization;
  /** The default augmentation for these images. */
  readonly augmentation: Augmentation;
  readonly train: S;
  readonly test: S;
  /**
   * Set if an image may have several labels, or none. The label of an image is then the number of one of these sets of
   * classes.
   */
  readonly labelSets?: LabelSets;
  /** Whether the images have no labels: the only class stands for all of them. */
  readonly isUnlabelled?: true;
  /** Set for image files only. */
  readonly preparation?: ImagePreparation;
  /** Set if the splits have `inputs` that were read from a table: the columns of each. */
  readonly columns?: InputColumns;
  /** Sentences for the user about how the data was read. */
  readonly notes?: readonly string[];
}

/** `dataset` with more sentences for the user. */
export function withNotes<D extends Dataset>(dataset: D, notes: readonly string[]): D {
  return notes.length === 0 ? dataset : { ...dataset, notes: [...(dataset.notes ?? []), ...notes] };
}

/** Bytes of one record. */
export function sampleSize([channels, height, width]: SampleShape): number {
  return channels * height * width;
}

/**
 * Allocates an empty split in shared memory, for a reader to fill.
 * @throws UserError "out-of-memory" if there is not enough memory.
 */
export function allocateSplit(count: number, sampleShape: SampleShape): StoredSplit {
  requireArguments("allocateSplit", {
    count: [count, "whole number"],
    sampleShape: [sampleShape, "shape of an image"],
  });
  const bytes = count * sampleSize(sampleShape);
  try {
    return {
      images: new Uint8Array(new SharedArrayBuffer(bytes)),
      labels: new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT)),
      count,
      sampleShape,
    };
  } catch (cause) {
    throw new UserError("out-of-memory", `not enough memory for ${count} images (${bytes} bytes)`, {
      hint: "Close other programs, or use a smaller dataset",
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
  const inputs = split.inputs === undefined ? {} : { inputs: inputsBetween(split.inputs, first, end) };
  return { ...split, ...part, ...inputs, labels: split.labels.subarray(first, end), count: end - first };
}

/** The images of `split` at `places`, in the order of `places`. Images in memory are copied. */
export function imagesAt(split: Split, places: readonly number[]): Split {
  const labels = new Int32Array(new SharedArrayBuffer(places.length * Int32Array.BYTES_PER_ELEMENT));
  for (const [index, place] of places.entries()) labels[index] = split.labels[place] ?? 0;
  const inputs = split.inputs === undefined ? {} : { inputs: inputsAt(split.inputs, places) };
  if ("files" in split) {
    const files = places.flatMap((place) => split.files[place] ?? []);
    return { ...split, ...inputs, files, labels, count: places.length };
  }
  const picked = { ...allocateSplit(places.length, split.sampleShape), ...inputs, labels };
  for (const [index, place] of places.entries()) {
    picked.images.set(recordsBetween(split, place, place + 1), index * sampleSize(split.sampleShape));
  }
  return picked;
}

function recordsBetween({ images, sampleShape }: StoredSplit, first: number, end: number): Uint8Array {
  const size = sampleSize(sampleShape);
  return images.subarray(first * size, end * size);
}
