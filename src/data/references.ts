/**
 * References to datasets, for use in code: `cifar10()` opens nothing yet. A reference keeps the text it was made from,
 * so that a resumed run can open the same data again.
 */

import { requireArguments } from "../core/arguments.ts";
import { optional } from "../core/optional.ts";
import type { ObtainOptions } from "./cifar10-cache.ts";
import type { Dataset, SampleShape } from "./dataset.ts";
import type { ImageFileOptions } from "./images/open.ts";
import { type OpenOptions, openDataset } from "./open.ts";

export interface DatasetReference {
  /** A name, a folder, "name:folder", a CSV file or a Parquet file, as `openDataset` takes it. */
  readonly spec: string;
  /**
   * Opens the dataset. `input`: the network's input shape, for images that can be prepared for it. Throws as
   * `openDataset` does.
   */
  open(input?: SampleShape): Promise<Dataset>;
}

/** A reference to the dataset that `spec` names. */
export function datasetReference(spec: string, options: OpenOptions = {}): DatasetReference {
  requireArguments("datasetReference", { spec: [spec, "text"], options: [options, "object"] });
  return {
    spec,
    open: (input) => openDataset(spec, { ...options, ...optional({ input }) }),
  };
}

/**
 * Images in `folder` (`class/file.jpg`, with or without `train/` and `test/` around it), those that a CSV file names,
 * or those in a Parquet file.
 */
export function images(place: string, options: ImageFileOptions = {}): DatasetReference {
  requireArguments("images", { place: [place, "text"], options: [options, "object"] });
  const isFile = /\.(csv|parquet)$/i.test(place);
  return datasetReference(isFile ? place : `images:${place}`, { images: options });
}

/** CIFAR-10, from `folder` (the official binary files) or, without one, from the cache, fetched once. */
export function cifar10(folder?: string, options: ObtainOptions = {}): DatasetReference {
  requireArguments("cifar10", { folder: [folder, "text?"], options: [options, "object"] });
  return datasetReference(folder === undefined ? "cifar10" : `cifar10:${folder}`, options);
}

/** CIFAR-100, from the official binary files in `folder`. */
export function cifar100(folder: string): DatasetReference {
  requireArguments("cifar100", { folder: [folder, "text"] });
  return datasetReference(`cifar100:${folder}`);
}

/** MNIST, from the idx files in `folder`. */
export function mnist(folder: string): DatasetReference {
  requireArguments("mnist", { folder: [folder, "text"] });
  return datasetReference(`mnist:${folder}`);
}

/** Fashion-MNIST, from the idx files in `folder` or, without one, from Debian's package. */
export function fashionMnist(folder?: string): DatasetReference {
  requireArguments("fashionMnist", { folder: [folder, "text?"] });
  return datasetReference(folder === undefined ? "fashion-mnist" : `fashion-mnist:${folder}`);
}
