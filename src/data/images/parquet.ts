/**
 * Reads Parquet files with encoded images and labels, a common form of shared datasets: one column of images (bytes, or
 * a group with a field `bytes`) and one column of labels (whole numbers or names). The encoded images go into shared
 * memory and are decoded when a batch needs them, as the files of a folder are.
 */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { isFolder } from "../files.ts";
import { type LabelledFile, sortedClasses } from "./classes.ts";
import type { TableOptions } from "./csv.ts";
import type { FolderParts, Part } from "./image-folder.ts";
import { checkLabels } from "./label-lists.ts";
import type { TableRequest } from "./parquet-table.ts";
import { ParquetThread, type ThreadLimits } from "./parquet-thread.ts";

/** The subfolder in which a dataset's repository keeps its Parquet files. */
const dataFolder = "data";
const trainName = /(^|[^a-z])train(ing)?([^a-z]|$)/i;
const testName = /(^|[^a-z])(test|val|valid|validation)([^a-z]|$)/i;
/** The splits, with their encoded images one after the other over a `SharedArrayBuffer`; see `ImageFile.at`. */
export interface StoredParts extends FolderParts {
  readonly store: Uint8Array;
}

/**
 * The Parquet files that `place` names: the file itself, those in the folder, or else those in its subfolder `data`.
 * Empty if there are none.
 */
export async function parquetFiles(place: string): Promise<readonly string[]> {
  if (isParquet(place)) return [place];
  if (!(await isFolder(place))) return [];
  for (const folder of [place, join(place, dataFolder)]) {
    const names = (await readdir(folder).catch(() => [])).filter(isParquet).sort();
    if (names.length > 0) return names.map((name) => join(folder, name));
  }
  return [];
}

/** True if `path` has the extension of a Parquet file. */
export function isParquet(path: string): boolean {
  return path.toLowerCase().endsWith(".parquet");
}

/**
 * Reads the images and labels of `paths`. A file with train or test (val, validation) in its name belongs to that
 * split. With `hasSeveral` an image has any number of labels: the column is a list, or names with separators, or there
 * is a column of 0 and 1 for each class. `columns` are read as numbers of the images.
 * @throws UserError "bad-file", with the file and the row, if a file is not valid Parquet, lacks a column, or has a
 * label that is not one of its classes; "out-of-memory" if there is not enough memory for the images.
 */
export async function listParquet(
  paths: readonly string[],
  {
    hasSeveral = false,
    columns,
    isUnlabelled,
    ...limits
  }: ThreadLimits & TableOptions & { readonly hasSeveral?: boolean } = {},
): Promise<StoredParts> {
  const chunks = new Chunks();
  const asked = { hasSeveral, ...optional({ columns, isUnlabelled }) };
  const thread = new ParquetThread(limits);
  const isSplit = paths.some((path) => trainName.test(basename(path)));
  const parts: { train: TableImages[]; test: TableImages[] } = { train: [], test: [] };
  try {
    for (const path of paths) {
      const isTest = isSplit && !trainName.test(basename(path)) && testName.test(basename(path));
      if (isSplit && !isTest && !trainName.test(basename(path))) continue;
      parts[isTest ? "test" : "train"].push(await readFiles(thread, { path, ...asked }, chunks));
    }
  } finally {
    await thread.close();
  }
  const store = chunks.join();
  const train = partOf(parts.train, paths[0] ?? "");
  if (hasSeveral) checkLabels([...train.classes, ...parts.test.flatMap(({ files }) => labelsOf(files))], train.about);
  return { train, test: parts.test.length === 0 ? undefined : partOf(parts.test, paths[0] ?? ""), store };
}

interface TableImages {
  readonly path: string;
  readonly files: readonly LabelledFile[];
  /** Class names in the order that the file stores, if it stores them. */
  readonly names: readonly string[] | undefined;
}

function partOf(tables: readonly TableImages[], about: string): Part {
  const files = tables.flatMap((table) => table.files);
  const names = tables.find((table) => table.names !== undefined)?.names;
  return {
    about: tables[0]?.path ?? about,
    classes: names ?? sortedClasses(labelsOf(files)),
    files,
    skipped: [],
  };
}

function labelsOf(files: readonly LabelledFile[]): readonly string[] {
  return files.flatMap(({ className, labels }) => labels ?? [className]);
}

async function readFiles(thread: ParquetThread, request: TableRequest, chunks: Chunks): Promise<TableImages> {
  const { path, hasSeveral } = request;
  const files: LabelledFile[] = [];
  const name = basename(path);
  const names = await thread.read(request, ({ images, lengths, labels, numbers }) => {
    let at = chunks.add(images);
    for (const [index, bytes] of lengths.entries()) {
      const own = labels[index] ?? [];
      const named = hasSeveral ? { className: "", labels: own } : { className: own[0] ?? "" };
      files.push({
        ...{ path: `${name}, row ${files.length}`, bytes, at },
        ...named,
        ...optional({ numbers: numbers?.[index] }),
      });
      at += bytes;
    }
  });
  return { path, files, names };
}

/** Collects bytes, and then joins them in one piece of shared memory. */
class Chunks {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  /** Appends `bytes`; returns their offset. */
  add(bytes: Uint8Array): number {
    const at = this.#length;
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return at;
  }

  join(): Uint8Array {
    let store: Uint8Array;
    try {
      store = new Uint8Array(new SharedArrayBuffer(this.#length));
    } catch (cause) {
      throw new UserError("out-of-memory", `not enough memory for images of ${this.#length} bytes`, {
        hint: "Unpack the images into one folder for each class: image files are read only when they are needed",
        cause,
      });
    }
    let at = 0;
    for (const part of this.#parts.splice(0)) {
      store.set(part, at);
      at += part.length;
    }
    return store;
  }
}
