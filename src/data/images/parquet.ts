/**
 * Parquet files with encoded images and labels, as image datasets are often shared: a column of image files (bytes, or a group with
 * a field `bytes`) and one of labels, whole numbers or names. Row group by row group the encoded images go into shared memory; they
 * are decoded when a batch needs them, as those of a folder are.
 */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { fileError, isFolder } from "../files.ts";
import { type LabelledFile, listed, sortedClasses } from "./classes.ts";
import type { FolderParts, Part } from "./folder.ts";

const imageColumns = ["image", "img", "image_bytes", "jpg", "png"];
const labelColumns = ["label", "labels", "fine_label", "class", "target"];
/** Folders beside a dataset's README in which its Parquet files are kept. */
const inside = "data";
const trainName = /(^|[^a-z])train(ing)?([^a-z]|$)/i;
const testName = /(^|[^a-z])(test|val|valid|validation)([^a-z]|$)/i;
/** Rows of a group that are read at once: they are objects until their images are in shared memory. */
const ROWS = 1024;

/** Encoded images one after the other, over a `SharedArrayBuffer`; see `ImageFile.at`. */
export interface StoredParts extends FolderParts {
  readonly store: Uint8Array;
}

/** The Parquet files that `place` names: itself, or those in the folder, else those in its folder `data`; none if there are none. */
export async function parquetFiles(place: string): Promise<readonly string[]> {
  if (isParquet(place)) return [place];
  if (!(await isFolder(place))) return [];
  for (const folder of [place, join(place, inside)]) {
    const names = (await readdir(folder).catch(() => [])).filter(isParquet).sort();
    if (names.length > 0) return names.map((name) => join(folder, name));
  }
  return [];
}

/** True for the name of a Parquet file. */
export function isParquet(path: string): boolean {
  return path.toLowerCase().endsWith(".parquet");
}

/**
 * Reads the images and labels of `paths`: a file whose name says train or test (val, validation) belongs to that part.
 * @throws UserError "bad-file" naming the file, and the row where there is one, for what is no sound Parquet, lacks a column, or has a
 * label that is none of its classes; "out-of-memory" if the images are more than the machine gives.
 */
export async function listParquet(paths: readonly string[]): Promise<StoredParts> {
  const chunks = new Chunks();
  const isSplit = paths.some((path) => trainName.test(basename(path)));
  const parts: { train: TableImages[]; test: TableImages[] } = { train: [], test: [] };
  for (const path of paths) {
    const isTest = isSplit && !trainName.test(basename(path)) && testName.test(basename(path));
    if (isSplit && !isTest && !trainName.test(basename(path))) continue;
    parts[isTest ? "test" : "train"].push(await readTable(path, chunks));
  }
  const store = chunks.join();
  const train = partOf(parts.train, paths[0] ?? "");
  return { train, test: parts.test.length === 0 ? undefined : partOf(parts.test, paths[0] ?? ""), store };
}

interface TableImages {
  readonly path: string;
  readonly files: readonly LabelledFile[];
  /** In the order that the file itself gives them, if it does. */
  readonly names: readonly string[] | undefined;
}

function partOf(tables: readonly TableImages[], about: string): Part {
  const files = tables.flatMap((table) => table.files);
  const names = tables.find((table) => table.names !== undefined)?.names;
  return {
    about: tables[0]?.path ?? about,
    classes: names ?? sortedClasses(files.map(({ className }) => className)),
    files,
    passedOver: [],
  };
}

async function readTable(path: string, chunks: Chunks): Promise<TableImages> {
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    const table = describeTable(metadata, file, path);
    const files: LabelledFile[] = [];
    let row = 0;
    for (const { num_rows } of metadata.row_groups) {
      const end = row + Number(num_rows);
      for (; row < end; row = Math.min(end, row + ROWS)) {
        const rows = await parquetReadObjects({
          ...{ file, metadata, compressors, utf8: false },
          columns: [table.image, table.label],
          rowStart: row,
          rowEnd: Math.min(end, row + ROWS),
        });
        if (rows.length !== Math.min(end, row + ROWS) - row)
          throw new Error(`row group with too few rows at row ${row}`);
        for (const [index, values] of rows.entries()) {
          files.push(imageOf(values, table, row + index, path, chunks));
        }
      }
    }
    return { path, files, names: table.names };
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (error instanceof Error && "code" in error && "syscall" in error) throw fileError(error, path);
    // The reader's own errors are of many kinds and none of them says which file it is.
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError("bad-file", `the file is no sound Parquet: ${reason}`, {
      about: path,
      hint: "Copy or export it again",
      cause: error,
    });
  }
}

interface Table {
  readonly image: string;
  readonly label: string;
  readonly names: readonly string[] | undefined;
}

function describeTable(metadata: FileMetaData, file: AsyncBuffer, path: string): Table {
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
  const find = (what: string, known: readonly string[]): string => {
    const found = known.find((name) => columns.includes(name));
    if (found !== undefined) return found;
    throw new UserError("bad-file", `there is no column of ${what}`, {
      about: path,
      expected: `one of ${known.join(", ")}`,
      received: columns.length === 0 ? "no columns" : listed(columns),
      hint: "Rename the columns to image and label",
    });
  };
  const rows = metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
  // An image has bytes of its own; a file that claims more rows than it has bytes would have us allocate for them.
  if (!(rows >= 0 && rows <= file.byteLength)) {
    throw new UserError("bad-file", "the file is damaged: it claims more rows than it has bytes", {
      about: path,
      expected: `at most ${file.byteLength}`,
      received: String(rows),
    });
  }
  const label = find("labels", labelColumns);
  return { image: find("images", imageColumns), label, names: namesOf(metadata, label) };
}

/** What the `datasets` library of Hugging Face writes beside a column of labels. */
const features = z.object({
  info: z.object({ features: z.record(z.string(), z.object({ names: z.array(z.string()).min(1).exactOptional() })) }),
});

function namesOf({ key_value_metadata: entries = [] }: FileMetaData, label: string): readonly string[] | undefined {
  const text = entries.find(({ key }) => key === "huggingface")?.value;
  if (text === undefined) return undefined;
  try {
    return features.parse(JSON.parse(text)).info.features[label]?.names;
  } catch {
    // Another version of it: labels are then numbers, which are classes as well.
    return undefined;
  }
}

function imageOf(
  values: Readonly<Record<string, unknown>>,
  { image, label, names }: Table,
  row: number,
  path: string,
  chunks: Chunks,
): LabelledFile {
  const about = `${path}, row ${row}`;
  const bytes = bytesOf(values[image]);
  if (bytes === undefined) {
    throw new UserError("bad-file", `column "${image}" holds no encoded image`, {
      about,
      expected: "bytes, or a group with bytes",
      received: values[image] === null ? "nothing" : typeof values[image],
    });
  }
  const className = classOf(values[label], names, about);
  return { path: `${basename(path)}, row ${row}`, bytes: bytes.length, className, at: chunks.add(bytes) };
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "object" || value === null || !("bytes" in value)) return undefined;
  return value.bytes instanceof Uint8Array ? value.bytes : undefined;
}

function classOf(value: unknown, names: readonly string[] | undefined, about: string): string {
  const label = value instanceof Uint8Array ? new TextDecoder().decode(value) : value;
  if (typeof label === "string" && label !== "") return label;
  const number = typeof label === "bigint" ? Number(label) : label;
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0) {
    if (names === undefined) return String(number);
    const name = names[number];
    if (name !== undefined) return name;
  }
  throw new UserError("bad-file", "the label is no class", {
    about,
    expected: names === undefined ? "a name, or a whole number from 0" : `0 to ${names.length - 1}`,
    received: label === null || label === undefined ? "nothing" : String(label),
  });
}

/** Bytes that are gathered, and then lie in one piece of shared memory. */
class Chunks {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  /** Where `bytes` will begin. They are copied: a reader's pages stay in memory as long as a piece of them is held. */
  add(bytes: Uint8Array): number {
    const at = this.#length;
    this.#parts.push(bytes.slice());
    this.#length += bytes.length;
    return at;
  }

  join(): Uint8Array {
    let store: Uint8Array;
    try {
      store = new Uint8Array(new SharedArrayBuffer(this.#length));
    } catch (cause) {
      throw new UserError("out-of-memory", `no memory for images of ${this.#length} bytes`, {
        hint: "Unpack the images into a folder for each class: those are read when they are needed",
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
