/**
 * Opens a dataset by what the user typed: a name ("cifar10"), a folder whose files tell what it is, both
 * ("cifar10:path/to/folder"), a CSV of paths and labels, or Parquet files.
 */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { UserError } from "../core/errors.ts";
import { unknownName } from "../core/names.ts";
import { normalizationTable } from "./augmentation.ts";
import { type CifarLayout, cifar10Layout, cifar100Layout, readCifar } from "./cifar.ts";
import { type ObtainOptions, obtainCifar10 } from "./cifar10-cache.ts";
import type { Dataset, SampleShape } from "./dataset.ts";
import { fileSize, isFolder } from "./files.ts";
import { hasIdxFiles } from "./idx.ts";
import { hasClassFolders } from "./images/image-folder.ts";
import { type ImageFileOptions, openImages } from "./images/open.ts";
import { isParquet, parquetFiles } from "./images/parquet.ts";
import { openFashionMnist, openIdxFolder, openMnist } from "./mnist.ts";

export interface OpenOptions extends ObtainOptions {
  /**
   * How image files are to be prepared; of a dataset whose images are what they are, only the constants may be others.
   */
  readonly images?: ImageFileOptions;
  /** What is taken where `images` does not say; for datasets that are no image files, only the constants count. */
  readonly imageDefaults?: ImageFileOptions;
  /** What the network takes, if that is known: image files are prepared for it. */
  readonly input?: SampleShape;
}

/** Reads the named dataset from `folder`, or from its standard place if that is undefined. */
type Opener = (folder: string | undefined, options: OpenOptions) => Promise<Dataset>;

const openers: ReadonlyMap<string, Opener> = new Map([
  ["cifar10", openCifar10],
  ["cifar100", openCifar100],
  ["mnist", openMnistFolder],
  ["fashion-mnist", openFashionMnist],
  ["images", openImageFolder],
]);

/** The names `openDataset` knows. */
export const datasetNames: readonly string[] = [...openers.keys()];

/**
 * Opens the dataset `spec`: one of `datasetNames`, a folder, "name:folder", or a CSV file. The small ones are read into
 * shared memory; image files are decoded when a batch needs them. "cifar10" is downloaded once if it is not in the
 * cache; `options` say where that is and who hears of the progress.
 * @throws UserError "unknown-name" with the nearest name; "missing-file" or "bad-file" about the files; and, for a
 * download, the codes of `obtainCifar10`.
 */
export async function openDataset(spec: string, options: OpenOptions = {}): Promise<Dataset> {
  const dataset = await openAny(spec, options);
  if (dataset.preparation !== undefined) return dataset;
  const { mean, standardDeviation, ...others } = options.images ?? {};
  const [given] = Object.keys(others);
  if (given === undefined) return withConstants(dataset, { ...options.imageDefaults, ...options.images });
  throw new UserError("bad-option", `the images of ${dataset.name} are not prepared anew`, {
    about: `option "${given}" of the images`,
    hint: "It is for folders of image files and CSV files that name them",
  });
}

/**
 * `dataset` with other constants, where they are given. Throws `UserError("bad-option")` where they are not one a
 * channel.
 */
function withConstants(dataset: Dataset, { mean, standardDeviation }: ImageFileOptions): Dataset {
  if (mean === undefined || standardDeviation === undefined) return dataset;
  const normalization = { mean, standardDeviation };
  normalizationTable(normalization, dataset.sampleShape[0]);
  return { ...dataset, normalization };
}

async function openAny(spec: string, options: OpenOptions): Promise<Dataset> {
  const named = openers.get(spec);
  if (named !== undefined) return named(undefined, options);
  const colon = spec.indexOf(":");
  const prefix = spec.slice(0, Math.max(colon, 0));
  // One letter before the colon is a drive of Windows.
  if (prefix.length > 1 && !/[\\/]/.test(prefix)) {
    const opener = openers.get(prefix);
    if (opener === undefined) throw unknownName("dataset", prefix, datasetNames);
    return opener(await existingFolder(spec.slice(colon + 1)), options);
  }
  if (spec.toLowerCase().endsWith(".csv") || isParquet(spec)) return openImageFiles(resolveHome(spec), options);
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

function openImageFiles(place: string, { images, imageDefaults, input }: OpenOptions): Promise<Dataset> {
  return openImages(place, { ...imageDefaults, ...images }, input);
}

/** The path the user typed, absolute; "~" stands for the home folder. */
function resolveHome(typed: string): string {
  return resolve(typed.replace(/^~(?=$|[\\/])/, homedir()));
}

/** The folder the user named, absolute; "~" stands for the home folder. */
async function existingFolder(typed: string): Promise<string> {
  const folder = resolveHome(typed);
  if (typed !== "" && (await isFolder(folder))) return folder;
  throw new UserError("missing-file", "no such folder", {
    about: typed === "" ? "the folder after the colon" : folder,
    hint: `A dataset is one of ${datasetNames.join(", ")}, a folder, or name:folder`,
  });
}

/** Finds out what the files in `folder` are. */
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
  if (open === undefined && (hasTables || (await hasClassFolders(folder)))) return openImageFiles(folder, options);
  if (open === undefined) {
    throw new UserError("missing-file", "no dataset in this folder", {
      about: folder,
      hint: "Expected a folder of images for each class, Parquet files, data_batch_1.bin … test_batch.bin (CIFAR-10), train.bin and test.bin (CIFAR-100), or idx files",
    });
  }
  if (found.length > 1) {
    throw new UserError("bad-option", `the folder holds files of ${names.join(" and ")}`, {
      about: folder,
      hint: `Say which is meant: ${names.map((name) => `${name}:folder`).join(" or ")}`,
    });
  }
  return open();
}

/** `folder`, or the folder of the official archive inside it if only that holds the files. */
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
  return new UserError("missing-file", `${name} is not downloaded by Espalier`, {
    hint: `Pass its folder (${what}): --data ${name}:path/to/folder`,
  });
}
