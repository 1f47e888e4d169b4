/**
 * Reads images and labels from one Parquet file, row by row. It runs in a thread of its own (`parquet-thread.ts`),
 * because a damaged file can occupy the reader for very long.
 */
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
import { columnNames, type InputColumns } from "../dataset.ts";
import { fileError } from "../files.ts";
import { type ImageNumbers, listed } from "./classes.ts";
import { columnsOf, numbersOfRow } from "./column-numbers.ts";
import type { TableOptions } from "./csv.ts";
import { FORMATS } from "./formats.ts";
import { isMarked, labelsOfCells } from "./label-lists.ts";
import { ANY_CLASS } from "./unlabelled.ts";

const imageColumns = ["image", "img", "image_bytes", "jpg", "png"];
const labelColumns = ["label", "labels", "fine_label", "class", "target"];
/** Rows that are read at once: they are JavaScript objects until their images are passed on. */
const ROWS = 1024;

/** Consecutive rows of a file. */
export interface TableRows {
  /** The encoded images, one after the other. */
  readonly images: Uint8Array<ArrayBuffer>;
  /** Bytes of each image. */
  readonly lengths: readonly number[];
  /** The names of each image's labels. */
  readonly labels: readonly (readonly string[])[];
  /** The numbers of each image, if any were asked for. */
  readonly numbers?: readonly ImageNumbers[];
}

export interface TableRequest extends TableOptions {
  readonly path: string;
  /** Whether an image has any number of labels. */
  readonly hasSeveral: boolean;
}

/**
 * Passes the rows of the file that is asked for to `onRows`, in order. Returns the names of its classes if the file
 * stores them. Throws as `listParquet` does.
 */
export async function readTable(
  request: TableRequest,
  onRows: (rows: TableRows) => void,
): Promise<readonly string[] | undefined> {
  const { path } = request;
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    const table = describeTable(metadata, file, request);
    const { inputs } = table;
    const columns = new Set([table.image, ...table.labels, ...columnNames(inputs)]);
    let row = 0;
    for (const { num_rows } of metadata.row_groups) {
      const end = row + Number(num_rows);
      for (; row < end; row = Math.min(end, row + ROWS)) {
        const rows = await parquetReadObjects({
          ...{ file, metadata, compressors, utf8: false },
          columns: [...columns],
          rowStart: row,
          rowEnd: Math.min(end, row + ROWS),
        });
        if (rows.length !== Math.min(end, row + ROWS) - row)
          throw new Error(`row group with too few rows at row ${row}`);
        const about = (index: number): string => `${path}, row ${row + index}`;
        onRows({
          ...joined(rows.map((values, index) => imageOf(values, table, about(index)))),
          labels: labelsOf(rows, table, about),
          ...(inputs === undefined
            ? {}
            : { numbers: rows.map((values, index) => numbersOfRow(values, inputs, about(index))) }),
        });
      }
    }
    return table.names;
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (error instanceof Error && "code" in error && "syscall" in error) throw fileError(error, path);
    // The reader throws errors of many kinds, and none of them names the file.
    const isStumble = error instanceof TypeError || error instanceof RangeError;
    const reason = isStumble ? "its description of the columns is damaged" : messageOf(error);
    throw new UserError("bad-file", `the file is not valid Parquet: ${reason}`, {
      about: path,
      hint: "Copy or export it again",
      cause: error,
    });
  }
}

/** Copies the bytes: otherwise a page of the reader stays in memory as long as a view of it exists. */
function joined(rows: readonly Uint8Array[]): Pick<TableRows, "images" | "lengths"> {
  const lengths = rows.map((bytes) => bytes.length);
  const images = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const bytes of rows) {
    images.set(bytes, at);
    at += bytes.length;
  }
  return { images, lengths };
}

interface Table {
  readonly image: string;
  /** The column of labels, or the columns of 0 and 1. */
  readonly labels: readonly string[];
  /**
   * One: each image has one. List: any number of them, in one column. Marks: 0 or 1 in a column for each class. None:
   * there is no column of labels.
   */
  readonly form: "one" | "list" | "marks" | "none";
  readonly names: readonly string[] | undefined;
  readonly inputs: InputColumns | undefined;
}

function describeTable(
  metadata: FileMetaData,
  file: AsyncBuffer,
  { path, hasSeveral, columns: wanted, isUnlabelled = false }: TableRequest,
): Table {
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
  // Every image has at least one byte. A file that claims more rows than it has bytes would cause a huge allocation.
  if (!(rows >= 0 && rows <= file.byteLength)) {
    throw new UserError("bad-file", "the file is damaged: it claims more rows than it has bytes", {
      about: path,
      expected: `at most ${file.byteLength}`,
      received: String(rows),
      hint: "Write or get the file again",
    });
  }
  const image = find("images", imageColumns);
  const lists = hasSeveral ? ["labels", "label", "tags", "classes", "class"] : labelColumns;
  const inputs = wanted === undefined ? undefined : columnsOf(columns, wanted, path);
  if (!columns.some((name) => lists.includes(name))) {
    if (isUnlabelled) return { image, labels: [], form: "none", names: undefined, inputs };
    if (hasSeveral) {
      const others = [image, ...columnNames(inputs)];
      const classes = columns.filter((name) => !others.includes(name));
      return { image, labels: classes, form: "marks", names: classes, inputs };
    }
  }
  const label = find("labels", lists);
  return { image, labels: [label], form: hasSeveral ? "list" : "one", names: namesOf(metadata, label), inputs };
}

/** The metadata that the `datasets` library of Hugging Face writes for a column of labels. */
const named = z.object({ names: z.array(z.string()).min(1).exactOptional() });
const features = z.object({
  // A list of labels has the names of its elements.
  info: z.object({ features: z.record(z.string(), named.extend({ feature: named.exactOptional() })) }),
});

function namesOf({ key_value_metadata: entries = [] }: FileMetaData, label: string): readonly string[] | undefined {
  const text = entries.find(({ key }) => key === "huggingface")?.value;
  if (text === undefined) return undefined;
  try {
    const found = features.parse(JSON.parse(text)).info.features[label];
    return found?.names ?? found?.feature?.names;
  } catch {
    // Metadata of another version: the labels stay numbers, which are valid classes too.
    return undefined;
  }
}

function imageOf(values: Readonly<Record<string, unknown>>, { image }: Table, about: string): Uint8Array {
  const bytes = bytesOf(values[image]);
  if (bytes === undefined) {
    throw new UserError("bad-file", `column "${image}" has no encoded image`, {
      about,
      expected: "bytes, or a group with bytes",
      received: values[image] === null ? "nothing" : typeof values[image],
      hint: `Write the images as ${FORMATS} files into this column, not as pixels or paths`,
    });
  }
  return bytes;
}

/** The labels of each of `rows`. */
function labelsOf(
  rows: readonly Readonly<Record<string, unknown>>[],
  { labels, form, names }: Table,
  about: (index: number) => string,
): TableRows["labels"] {
  const [column = ""] = labels;
  if (form === "none") return rows.map(() => [ANY_CLASS]);
  if (form === "one") return rows.map((row, index) => [classOf(row[column], names, about(index))]);
  if (form === "marks") {
    return rows.map((row, index) => labels.filter((name) => isMarked(textOf(row[name]), name, about(index))));
  }
  const cells = rows.map((row) => row[column]);
  const texts = labelsOfCells(
    cells.map((cell) => (Array.isArray(cell) ? "" : textOf(cell))),
    about,
  );
  return cells.map((cell, index) =>
    Array.isArray(cell) ? cell.map((label) => classOf(label, names, about(index))) : (texts[index] ?? []),
  );
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
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
  throw new UserError("bad-file", "the label is not a class", {
    about,
    expected: names === undefined ? "a name, or a whole number from 0" : `0 to ${names.length - 1}`,
    received: label === null || label === undefined ? "nothing" : String(label),
    hint: "Correct the label of this row, or remove the row",
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
