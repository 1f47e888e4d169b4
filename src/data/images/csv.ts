/**
 * Reads a CSV file of paths and labels. Its header names the columns `path`, `label` and, optionally, `split`, which
 * says whether an image is for training or testing. Paths are relative to the file's folder. A label is a class name.
 */
import { dirname, resolve } from "node:path";
import { UserError } from "../../core/errors.ts";
import { optional } from "../../core/optional.ts";
import type { InputColumns } from "../dataset.ts";
import { readDataFile } from "../files.ts";
import { type ImageNumbers, sortedClasses } from "./classes.ts";
import { columnsOf, numbersOfRow } from "./column-numbers.ts";
import { csvRecords } from "./csv-records.ts";
import { type FolderParts, fileSizes, type Part } from "./image-folder.ts";
import { splitNamed, splitNames } from "./split-names.ts";
import { ANY_CLASS } from "./unlabelled.ts";

const columns = ["path", "label", "split"];

interface Row {
  readonly path: string;
  readonly label: string;
  readonly split: "train" | "test" | undefined;
  readonly numbers: ImageNumbers | undefined;
}

/** What is read of a table of images. */
export interface TableOptions {
  /** The columns of numbers for the network's inputs besides the images. */
  readonly columns?: InputColumns | undefined;
  /** Whether the column of labels may be absent. */
  readonly isUnlabelled?: boolean;
}

/**
 * Lists the images in the CSV file `path`.
 * @throws UserError "missing-file"; "bad-file", with the line, for a missing column, an empty field or a repeated path;
 * and what `columnsOf` and `numbersOfRow` throw.
 */
export async function listCsv(path: string, options: TableOptions = {}): Promise<FolderParts> {
  const listedRows = readRows(await readDataFile(path), path, options);
  const hasSplit = listedRows.some(({ split }) => split !== undefined);
  const part = async (wanted: "train" | "test", about: string): Promise<Part> => {
    const chosen = listedRows.filter(({ split }) => !hasSplit || split === wanted);
    const sizes = await fileSizes(chosen.map((row) => resolve(dirname(path), row.path)));
    return {
      about,
      classes: sortedClasses(chosen.map(({ label }) => label)),
      files: chosen.map(({ path: image, label, numbers }, index) => ({
        ...{ path: image, bytes: sizes[index] ?? 0, className: label },
        ...optional({ numbers }),
      })),
      skipped: [],
    };
  };
  if (!hasSplit) return { train: await part("train", path), test: undefined };
  return { train: await part("train", `${path} (train)`), test: await part("test", `${path} (test)`) };
}

function readRows(
  bytes: Buffer,
  path: string,
  { columns: wanted, isUnlabelled = false }: TableOptions,
): readonly Row[] {
  let header: readonly string[] = [];
  const parsed = csvRecords(bytes, path, (names) => {
    header = checkHeader(names, path, isUnlabelled);
    return header;
  });
  const inputs = wanted === undefined ? undefined : columnsOf(header, wanted, path);
  const lines = new Map<string, number>();
  const isSplitGiven = parsed.some(({ fields }) => (fields["split"] ?? "") !== "");
  const result = parsed.map(({ fields: record, line }) => {
    const about = `${path}, line ${line}`;
    const image = field(record, "path", about);
    const label = header.includes("label") ? field(record, "label", about) : ANY_CLASS;
    const earlier = lines.get(image);
    if (earlier !== undefined) {
      throw new UserError("bad-file", `the image ${image} is listed a second time; first on line ${earlier}`, {
        about,
        hint: "List each image once: it belongs to one class and one split",
      });
    }
    lines.set(image, line);
    return {
      ...{ path: image, label },
      split: isSplitGiven ? splitOf(record["split"] ?? "", about) : undefined,
      numbers: inputs === undefined ? undefined : numbersOfRow(record, inputs, about),
    };
  });
  if (result.length > 0) return result;
  throw new UserError("bad-file", "the file lists no images", {
    about: path,
    hint: "Write one line for each image: its path and its label",
  });
}

/** The names of the columns: our own in small letters, all others as they are. */
function checkHeader(header: readonly string[], path: string, isUnlabelled: boolean): string[] {
  const names = header.map((name) => {
    const small = name.trim().toLowerCase();
    return columns.includes(small) ? small : name.trim();
  });
  if (names.includes("path") && (isUnlabelled || names.includes("label"))) return names;
  throw new UserError("bad-file", "the first line is not the expected header", {
    about: path,
    expected: columns.slice(0, 2).join(","),
    received: header.slice(0, 5).join(","),
    hint:
      `The columns are path, label and, optionally, split (${[...splitNames.keys()].join(", ")}); ` +
      "with --task multi-label a column labels, or one of 0 and 1 for each class",
  });
}

function field(record: Readonly<Record<string, string>>, name: string, about: string): string {
  const value = record[name] ?? "";
  if (value !== "") return value;
  throw new UserError("bad-file", `the ${name} is empty`, { about, hint: "Each line needs a path and a label" });
}

/** The split that `text` names. */
export function splitOf(text: string, about: string): "train" | "test" {
  const split = splitNamed(text);
  if (split !== undefined) return split;
  throw new UserError("bad-file", "the split is unknown", {
    about,
    expected: splitNames.join(", "),
    received: `"${text}"`,
    hint: "Write one of these, or leave the column empty in every line: test images are then chosen at random",
  });
}
