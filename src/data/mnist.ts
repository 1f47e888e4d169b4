/** The datasets that come as idx files: MNIST, Fashion-MNIST, and others in the same format. */
import { UserError } from "../core/errors.ts";
import { fashionMnistClasses, numberedClasses } from "./classes.ts";
import type { Augmentation, Dataset, Normalization, StoredSplit } from "./dataset.ts";
import { isFolder } from "./files.ts";
import { type IdxSplits, readIdx } from "./idx.ts";

interface IdxDataset {
  readonly name: string;
  readonly classes: readonly string[];
  /** Mean and standard deviation of the training pixels / 255. */
  readonly normalization: Normalization;
  readonly augmentation: Augmentation;
  /** The first training labels, which identify the published files. */
  readonly firstLabels: readonly number[];
}

const mnist: IdxDataset = {
  name: "mnist",
  classes: numberedClasses(10),
  normalization: { mean: [0.1307], standardDeviation: [0.3081] },
  // A mirrored digit is not a digit.
  augmentation: { pad: 2, flip: false },
  firstLabels: [5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5],
};

const fashionMnist: IdxDataset = {
  name: "fashion-mnist",
  classes: fashionMnistClasses,
  normalization: { mean: [0.286], standardDeviation: [0.353] },
  augmentation: { pad: 2, flip: true },
  firstLabels: [9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9],
};

/** The folder where Debian's package installs the files. */
const debianFolder = "/usr/share/datasets/fashion-mnist";

const fourFiles = "The folder needs four idx files: images and labels of train and t10k, plain or gzip'd";

/** Opens MNIST from the idx files in `folder`. */
export async function openMnist(folder: string): Promise<Dataset<StoredSplit>> {
  return toDataset(mnist, await readIdx(folder, mnist.classes.length, fourFiles));
}

/** Opens Fashion-MNIST from the idx files in `folder`; default: the folder of Debian's package. */
export async function openFashionMnist(folder: string = debianFolder): Promise<Dataset<StoredSplit>> {
  const hint =
    folder === debianFolder
      ? "Install it (apt-get install dataset-fashion-mnist), or pass a folder: --data fashion-mnist:path/to/folder"
      : fourFiles;
  if (!(await isFolder(folder))) {
    throw new UserError("missing-file", "Fashion-MNIST was not found", { about: folder, hint });
  }
  return toDataset(fashionMnist, await readIdx(folder, fashionMnist.classes.length, hint));
}

/**
 * Opens the idx files in `folder`. MNIST and Fashion-MNIST are recognised by their first labels. Any other dataset gets
 * numbered classes and its own normalisation.
 */
export async function openIdxFolder(folder: string): Promise<Dataset<StoredSplit>> {
  const splits = await readIdx(folder, undefined, fourFiles);
  const known = [mnist, fashionMnist].find(({ firstLabels }) =>
    firstLabels.every((label, index) => label === splits.train.labels[index]),
  );
  return toDataset(known ?? describe(splits), splits);
}

function describe({ train, test }: IdxSplits): IdxDataset {
  const largest = (labels: Int32Array): number => labels.reduce((largest, label) => Math.max(largest, label), 0);
  return {
    name: "idx",
    classes: numberedClasses(Math.max(largest(train.labels), largest(test.labels)) + 1),
    normalization: measureNormalization(train),
    augmentation: { pad: 2, flip: false },
    firstLabels: [],
  };
}

/**
 * Mean and standard deviation of one-channel images / 255. The standard deviation of constant images is returned as 1.
 */
export function measureNormalization({ images }: StoredSplit): Normalization {
  const histogram = new Float64Array(256);
  for (const pixel of images) histogram[pixel] = (histogram[pixel] ?? 0) + 1;
  let sum = 0;
  let squares = 0;
  for (const [pixel, frequency] of histogram.entries()) {
    sum += frequency * (pixel / 255);
    squares += frequency * (pixel / 255) ** 2;
  }
  const mean = sum / images.length;
  const deviation = Math.sqrt(Math.max(0, squares / images.length - mean ** 2));
  return { mean: [mean], standardDeviation: [deviation === 0 ? 1 : deviation] };
}

function toDataset(
  { name, classes, normalization, augmentation }: IdxDataset,
  { train, test }: IdxSplits,
): Dataset<StoredSplit> {
  return { name, classes, sampleShape: train.sampleShape, normalization, augmentation, train, test };
}
