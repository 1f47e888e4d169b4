/**
 * Opens a dataset from the user's text: a name ("cifar10"), a folder whose files identify the dataset, both
 * ("cifar10:path/to/folder"), a CSV file of paths and labels, or Parquet files.
 */

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { requireArguments } from "../core/arguments.ts";
import { UserError } from "../core/errors.ts";
import { unknownName } from "../core/names.ts";
import { normalizationTable } from "./augmentation.ts";
import { type CifarLayout, cifar10Layout, cifar100Layout, readCifar } from "./cifar.ts";
import { type ObtainOptions, obtainCifar10 } from "./cifar10-cache.ts";
import type { Dataset, InputColumns, SampleShape } from "./dataset.ts";
import { fileSize, isFolder } from "./files.ts";
import { hasIdxFiles } from "./idx.ts";
import { imageName } from "./images/formats.ts";
import { entriesOf, hasClassFolders } from "./images/image-folder.ts";
import { type ImageFileOptions, openImages } from "./images/open.ts";
import { isParquet, parquetFiles } from "./images/parquet.ts";
import { openFashionMnist, openIdxFolder, openMnist } from "./mnist.ts";

export interface OpenOptions extends ObtainOptions {
  /**
   * How image files are prepared. For datasets that are not image files, only mean and standard deviation may be set.
   */
  readonly images?: ImageFileOptions;
  /** Defaults for `images`. For datasets that are not image files, only mean and standard deviation are used. */
  readonly imageDefaults?: ImageFileOptions;
  /** Whether the images of a folder need no classes, because nothing is learnt from labels. */
  readonly unlabelled?: boolean;
  /** Whether an image may have several labels, or none: a table has to say so. */
  readonly severalLabels?: boolean;
  /** The columns of a table with numbers for the network's inputs besides the images. */
  readonly columns?: InputColumns;
  /** The network's input shape, if known: image files are prepared for it. */
  readonly input?: SampleShape;
}

/** Reads the dataset from `folder`; if it is undefined, from its standard place. */
type Opener = (folder: string | undefined, options: OpenOptions) => Promise<Dataset>;

const openers: ReadonlyMap<string, Opener> = new Map([
  ["cifar10", openCifar10],
  ["cifar100", openCifar100],
  ["mnist", openMnistFolder],
  ["fashion-mnist", openFashionMnist],
  ["images", openImageFolder],
]);

/** The names that `openDataset` knows. */
export const datasetNames: readonly string[] = [...openers.keys()];

/**
 * Opens the dataset `spec`: one of `datasetNames`, a folder, "name:folder", a CSV file or a Parquet file. Small
 * datasets are read into shared memory; image files are decoded when a batch needs them. "cifar10" is downloaded once
 * if it is not in the cache; `options` set the cache folder and a listener for the progress.
 * @throws UserError "unknown-name" with the most similar name; "missing-file" or "bad-file" about the files; for a
 * download, the codes of `obtainCifar10`.
 */
export async function openDataset(spec: string, options: OpenOptions = {}): Promise<Dataset> {
  requireArguments("openDataset", { spec: [spec, "text or none"], options: [options, "object"] });
  requireArguments("openDataset", { "options.images": [options.images, "object?"] });
  const dataset = await openAny(spec, options);
  if (options.severalLabels === true && dataset.labelSets === undefined) throw needsTable(dataset.name);
  if (options.columns !== undefined && dataset.columns === undefined) throw hasNoColumns(dataset.name);
  if (dataset.preparation !== undefined) return dataset;
  const { mean, standardDeviation, size, ...others } = options.images ?? {};
  // The size is named for a file that leaves it open: that of the images themselves changes nothing.
  const [given] = Object.keys(size === undefined || isSizeOf(dataset, size) ? others : { size });
  if (given === undefined)
    return withConstants(dataset, { ...fitting(dataset, options.imageDefaults), ...options.images });
  throw new UserError("bad-option", `the images of ${dataset.name} have a fixed preparation`, {
    about: `option "${given}" of the images`,
    hint: "This option applies to image files only: a folder, a CSV file or Parquet files",
  });
}

/** Whether `size` is the height and width that the images of `dataset` have. */
function isSizeOf({ sampleShape: [, height, width] }: Dataset, size: NonNullable<ImageFileOptions["size"]>): boolean {
  const [rows, columns = rows] = [size].flat();
  return rows === height && columns === width;
}

/**
 * `dataset` with the given mean and standard deviation, if both are given. Throws `UserError("bad-option")` unless
 * there is one of each for each channel.
 */
function withConstants(dataset: Dataset, { mean, standardDeviation }: ImageFileOptions): Dataset {
  if (mean === undefined || standardDeviation === undefined) return dataset;
  const normalization = { mean, standardDeviation };
  normalizationTable(normalization, dataset.sampleShape[0]);
  return { ...dataset, normalization };
}

/**
 * Defaults come from a network. If it takes other channels than the images have, that is the error to report, and the
 * defaults do not matter.
 */
function fitting({ sampleShape }: Dataset, defaults: ImageFileOptions = {}): ImageFileOptions {
  return defaults.mean === undefined || defaults.mean.length === sampleShape[0] ? defaults : {};
}

async function openAny(spec: string, options: OpenOptions): Promise<Dataset> {
  const named = openers.get(spec);
  if (named !== undefined) return named(undefined, options);
  const colon = spec.indexOf(":");
  const prefix = spec.slice(0, Math.max(colon, 0));
  // A single letter before the colon is a Windows drive.
  if (prefix.length > 1 && !/[\\/]/.test(prefix)) {
    const opener = openers.get(prefix);
    if (opener === undefined) throw unknownName("dataset", prefix, datasetNames);
    return opener(await existingFolder(spec.slice(colon + 1)), options);
  }
  if (spec.toLowerCase().endsWith(".csv") || isParquet(spec)) return openImageFiles(resolveHome(spec), options);
  if ((await fileSize(resolveHome(spec))) !== undefined) throw notImages(spec);
  if (/[\\/]|^[.~]/.test(spec) || (await isFolder(spec))) return openFolder(await existingFolder(spec), options);
  throw unknownName("dataset", spec, datasetNames);
}

async function openCifar10(folder: string | undefined, options: OpenOptions): Promise<Dataset> {
  const place = await cifarFolder(folder ?? (await obtainCifar10(options)), cifar10Layout);
  return readCifar(place, cifar10Layout);
}

async function openCifar100(folder: string | undefined): Promise<Dataset> {
  if (folder === undefined) throw needsFolder("cifar100", "the official binary version, train.bin and test.bin");
  return readCifar(await cifarFolder(folder, cifar100Layout), cifar100Layout);
}

async function openMnistFolder(folder: string | undefined): Promise<Dataset> {
  if (folder === undefined) throw needsFolder("mnist", "the four idx files, gzip'd or not");
  return openMnist(folder);
}

async function openImageFolder(folder: string | undefined, options: OpenOptions): Promise<Dataset> {
  if (folder === undefined) throw needsFolder("images", "class/file.jpg, with or without train/ and test/ around it");
  return openImageFiles(folder, options);
}

function openImageFiles(
  place: string,
  { images, imageDefaults, input, unlabelled, severalLabels, columns }: OpenOptions,
): Promise<Dataset> {
  const labels = severalLabels === true ? "several" : unlabelled === true ? "none" : "one";
  return openImages(place, { ...imageDefaults, ...images }, input, labels, columns);
}

function hasNoColumns(about: string): UserError {
  return new UserError("bad-option", "the data has no columns of numbers", {
    about,
    expected: "a CSV file or a Parquet file",
    hint: "Leave --columns out, or give the images as a table: path,label and the columns of numbers",
  });
}

function needsTable(about: string): UserError {
  return new UserError("bad-option", "the data has one label for each image, not several", {
    about,
    expected: "a CSV or Parquet file with a column of labels, or with a column of 0 and 1 for each class",
    hint: "Leave --task multi-label out, or write the labels of the images into a CSV file: path,labels",
  });
}

function notImages(file: string): UserError {
  return new UserError("bad-file", "this file is no dataset", {
    about: file,
    hint: `A dataset is one of ${datasetNames.join(", ")}, a folder, name:folder, a .csv or a .parquet file`,
  });
}

/** The user's path, absolute; "~" stands for the home folder. */
function resolveHome(typed: string): string {
  return resolve(typed.replace(/^~(?=$|[\\/])/, homedir()));
}

/** The user's folder, absolute; "~" stands for the home folder. */
async function existingFolder(typed: string): Promise<string> {
  const folder = resolveHome(typed);
  if (typed !== "" && (await isFolder(folder))) return folder;
  throw new UserError("missing-file", "no such folder", {
    about: typed === "" ? "the folder after the colon" : folder,
    hint: `A dataset is one of ${datasetNames.join(", ")}, a folder, or name:folder`,
  });
}

/** Opens the dataset that the files in `folder` belong to. */
async function openFolder(folder: string, options: OpenOptions): Promise<Dataset> {
  const found: (() => Promise<Dataset>)[] = [];
  const names: string[] = [];
  for (const layout of [cifar10Layout, cifar100Layout]) {
    const place = await cifarFolder(folder, layout);
    if (!(await holdsAny(place, layout))) continue;
    found.push(() => readCifar(place, layout));
    names.push(layout.name);
  }
  if (await hasIdxFiles(folder)) {
    found.push(() => openIdxFolder(folder));
    names.push("mnist");
  }
  const [open] = found;
  const hasTables = open === undefined && (await parquetFiles(folder)).length > 0;
  if (open === undefined && (hasTables || options.unlabelled === true || (await hasClassFolders(folder))))
    return openImageFiles(folder, options);
  if (open === undefined) {
    throw new UserError("missing-file", "no dataset in this folder", { about: folder, hint: await hintFor(folder) });
  }
  if (found.length > 1) {
    throw new UserError("bad-option", `the folder has files of ${names.join(" and ")}`, {
      about: folder,
      hint: `Choose one: ${names.map((name) => `${name}:folder`).join(" or ")}`,
    });
  }
  return open();
}

/** What to do about a folder without a dataset, by what is in it. */
async function hintFor(folder: string): Promise<string> {
  const { files } = await entriesOf(folder);
  const table = files.find((name) => /\.csv$/i.test(name));
  if (table !== undefined) return `Give the table instead of its folder: ${join(folder, table)}`;
  if (files.some((name) => imageName.test(name)))
    return "Put the images into one folder for each class, or list them in a CSV file with the columns path,label";
  return (
    "Expected a folder of images for each class, Parquet files, data_batch_1.bin … test_batch.bin (CIFAR-10), " +
    "train.bin and test.bin (CIFAR-100), or idx files"
  );
}

/** `folder`, or the official archive's folder inside it if only that one has the files. */
async function cifarFolder(folder: string, layout: CifarLayout): Promise<string> {
  const inside = join(folder, layout.officialFolder);
  return !(await holdsAny(folder, layout)) && (await holdsAny(inside, layout)) ? inside : folder;
}

async function holdsAny(folder: string, layout: CifarLayout): Promise<boolean> {
  const sizes = await Promise.all(
    [...layout.trainFiles, ...layout.testFiles].map((file) => fileSize(join(folder, file))),
  );
  return sizes.some((size) => size !== undefined);
}

function needsFolder(name: string, what: string): UserError {
  return new UserError("missing-file", `Espalier does not download ${name}`, {
    hint: `Pass its folder (${what}): --data ${name}:path/to/folder`,
  });
}
