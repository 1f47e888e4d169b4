/**
 * Datasets as they are named in code: `cifar10()` opens nothing yet. A reference keeps what it was made from, so that a
 * run can open the same data again when it is resumed.
 */
import type { ObtainOptions } from "./cifar10-cache.ts";
import type { Dataset, SampleShape } from "./dataset.ts";
import type { ImageFileOptions } from "./images/open.ts";
import { type OpenOptions, openDataset } from "./open.ts";

export interface DatasetReference {
  /** What `openDataset` understands: a name, a folder, "name:folder", or a CSV file. */
  readonly spec: string;
  /** `input`: what the network takes, for images that can be prepared for it. Errors are those of `openDataset`. */
  open(input?: SampleShape): Promise<Dataset>;
}

/** The dataset that `spec` names. */
export function datasetReference(spec: string, options: OpenOptions = {}): DatasetReference {
  return {
    spec,
    open: (input) => openDataset(spec, { ...options, ...(input === undefined ? {} : { input }) }),
  };
}

/**
 * Images in `folder` (`class/file.jpg`, with or without `train/` and `test/` around it), those that a CSV file names,
 * or those in a Parquet file.
 */
export function images(place: string, options: ImageFileOptions = {}): DatasetReference {
  const isFile = /\.(csv|parquet)$/i.test(place);
  return datasetReference(isFile ? place : `images:${place}`, { images: options });
}

/** CIFAR-10, from `folder` (the official binary files) or, without one, from the cache, fetched once. */
export function cifar10(folder?: string, options: ObtainOptions = {}): DatasetReference {
  return datasetReference(folder === undefined ? "cifar10" : `cifar10:${folder}`, options);
}

/** CIFAR-100, from the official binary files in `folder`. */
export function cifar100(folder: string): DatasetReference {
  return datasetReference(`cifar100:${folder}`);
}

/** MNIST, from the idx files in `folder`. */
export function mnist(folder: string): DatasetReference {
  return datasetReference(`mnist:${folder}`);
}

/** Fashion-MNIST, from the idx files in `folder` or, without one, from Debian's package. */
export function fashionMnist(folder?: string): DatasetReference {
  return datasetReference(folder === undefined ? "fashion-mnist" : `fashion-mnist:${folder}`);
}
