/**
 * Reads a CSV file of images with any number of labels. It has a column of paths and a column of labels, or a column of
 * 0 and 1 for each class; and, optionally, a column `split`. An image on several lines has the labels of all of them.
 */
import { dirname, resolve } from "node:path";
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import { columnNames, type InputColumns } from "../dataset.ts";
import { readDataFile } from "../files.ts";
import { type ImageNumbers, listed, sortedClasses } from "./classes.ts";
import { columnsOf as inputColumnsOf, numbersOfRow } from "./column-numbers.ts";
import { splitOf, type TableOptions } from "./csv.ts";
import { type CsvRecord, csvRecords } from "./csv-records.ts";
import { type FolderParts, fileSizes, type Part } from "./image-folder.ts";
import { checkLabels, isMarked, labelsOfCells } from "./label-lists.ts";

/** Names of columns, in small letters. */
const pathNames = ["path", "image", "file", "filename", "file_name", "image_path", "image_name", "img"];
const labelNames = ["labels", "label", "tags", "classes", "class"];
const SPLIT = "split";

interface Columns {
  readonly path: string;
  readonly split: string | undefined;
  /** The column with the names of the labels. */
  readonly labels: string | undefined;
  /** Without it: the columns of 0 and 1, which are the classes. */
  readonly classes: readonly string[];
  /** The columns of numbers for the network's inputs besides the images. */
  readonly inputs: InputColumns | undefined;
}

interface Row {
  readonly path: string;
  readonly split: "train" | "test" | undefined;
  readonly labels: readonly string[];
  readonly numbers: ImageNumbers | undefined;
}

/**
 * Lists the images in the CSV file `path`, each with its labels.
 * @throws UserError "missing-file"; "bad-file", with the line, for a missing column, an empty path, a label that cannot
 * be read, or an image in two splits or with two sets of numbers; and what `numbersOfRow` throws.
 */
export async function listCsvLabels(path: string, options: TableOptions = {}): Promise<FolderParts> {
  const { rows, classes } = readRows(await readDataFile(path), path, options.columns);
  checkLabels(classes, path);
  const hasSplit = rows.some(({ split }) => split !== undefined);
  const part = async (wanted: "train" | "test", about: string): Promise<Part> => {
    const chosen = rows.filter(({ split }) => !hasSplit || split === wanted);
    const sizes = await fileSizes(chosen.map((row) => resolve(dirname(path), row.path)));
    return {
      ...{ about, classes, skipped: [] },
      files: chosen.map(({ path: image, labels, numbers }, index) => ({
        ...{ path: image, bytes: sizes[index] ?? 0, className: "", labels },
        ...optional({ numbers }),
      })),
    };
  };
  if (!hasSplit) return { train: await part("train", path), test: undefined };
  return { train: await part("train", `${path} (train)`), test: await part("test", `${path} (test)`) };
}

function readRows(
  bytes: Buffer,
  path: string,
  wanted: InputColumns | undefined,
): { readonly rows: readonly Row[]; readonly classes: readonly string[] } {
  let header: readonly string[] = [];
  const records = csvRecords(bytes, path, (names) => {
    header = names.map((name) => name.trim());
    return header;
  });
  if (records.length === 0) {
    throw new UserError("bad-file", "the file lists no images", {
      about: path,
      hint: "Write one line for each image: its path and its labels",
    });
  }
  const columns = columnsOf(header, path, wanted);
  const about = (index: number): string => `${path}, line ${records[index]?.line ?? 0}`;
  const { labels: column } = columns;
  const labels =
    column === undefined
      ? records.map(({ fields }, index) =>
          columns.classes.filter((name) => isMarked(fields[name] ?? "", name, about(index))),
        )
      : labelsOfCells(
          records.map(({ fields }) => fields[column] ?? ""),
          about,
        );
  return {
    rows: merged(records, labels, columns, about),
    classes: column === undefined ? columns.classes : sortedClasses(labels.flat()),
  };
}

function columnsOf(header: readonly string[], path: string, wanted: InputColumns | undefined): Columns {
  const find = (names: readonly string[]): string | undefined =>
    header.find((name) => names.includes(name.toLowerCase()));
  const [image, labels, split] = [find(pathNames), find(labelNames), find([SPLIT])];
  const inputs = wanted === undefined ? undefined : inputColumnsOf(header, wanted, path);
  const others = [image, split, ...columnNames(inputs)];
  const classes = labels === undefined ? header.filter((name) => !others.includes(name)) : [];
  if (image !== undefined && (labels !== undefined || classes.length > 0) && !classes.includes("")) {
    return { path: image, split, labels, classes, inputs };
  }
  throw new UserError("bad-file", "the first line is not the expected header", {
    about: path,
    expected: "path,labels, or path and a column for each class",
    received: listed(header),
    hint: `A column of images is called ${pathNames.join(", ")}; one of labels ${labelNames.join(", ")}`,
  });
}

/** The images in the order of their first lines, each with the labels of all its lines. */
function merged(
  records: readonly CsvRecord[],
  labels: readonly (readonly string[])[],
  columns: Columns,
  about: (index: number) => string,
): readonly Row[] {
  const isSplitGiven = columns.split !== undefined && records.some(({ fields }) => fields[columns.split ?? ""] !== "");
  const rows = new Map<string, Row>();
  for (const [index, { fields }] of records.entries()) {
    const image = fields[columns.path] ?? "";
    if (image === "") {
      throw new UserError("bad-file", "the path is empty", { about: about(index), hint: "Each line needs a path" });
    }
    const split = isSplitGiven ? splitOf(fields[columns.split ?? ""] ?? "", about(index)) : undefined;
    const earlier = rows.get(image);
    if (earlier !== undefined && earlier.split !== split) {
      throw new UserError("bad-file", `the image ${image} is in two splits`, {
        about: about(index),
        hint: "Write the same split in all lines of an image",
      });
    }
    const numbers = columns.inputs === undefined ? undefined : numbersOfRow(fields, columns.inputs, about(index));
    if (earlier !== undefined && JSON.stringify(earlier.numbers) !== JSON.stringify(numbers)) {
      throw new UserError("bad-file", `the image ${image} has other numbers on an earlier line`, {
        about: about(index),
        hint: "Write the same numbers in all lines of an image",
      });
    }
    const own = [...new Set([...(earlier?.labels ?? []), ...(labels[index] ?? [])])];
    rows.set(image, { path: image, split, labels: own, numbers });
  }
  return [...rows.values()];
}
