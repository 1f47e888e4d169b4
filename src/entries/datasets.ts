/** `espalier/datasets`: datasets by name, from folders or from a program, and loaders that return batches. */
export type {
  AreaCrop,
  Augmentation,
  AugmentationOptions,
  Dataset,
  FileSplit,
  ImagePreparation,
  Normalization,
  PaddedCrop,
  Split,
  StoredSplit,
} from "../data/dataset.ts";
export { allocateSplit } from "../data/dataset.ts";
export type { ImageFileOptions } from "../data/images/open.ts";
export type { UnreadableImage } from "../data/images/unreadable.ts";
export type { LabelSets } from "../data/label-sets.ts";
export type { TrainingBatch, TrainingLoaderOptions } from "../data/loader.ts";
export { TrainingLoader } from "../data/loader.ts";
export { datasetNames, openDataset } from "../data/open.ts";
export type { DatasetReference } from "../data/references.ts";
export { cifar10, cifar100, datasetReference, fashionMnist, images, mnist } from "../data/references.ts";
