/**
 * CSV of paths and labels: a header with `path` and `label`, and if there is a third column `split`, it says which
 * images are for testing. Paths are relative to the file's folder. A label is a class's name.
 */
import { dirname, resolve } from "node:path";
import { CsvError, parse } from "csv-parse/sync";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { readDataFile } from "../files.ts";
import { sortedClasses } from "./classes.ts";
import { type FolderParts, fileSizes, type Part } from "./image-folder.ts";

const columns = ["path", "label", "split"];
const splitNames = new Map([
  ["train", "train"],
  ["training", "train"],
  ["test", "test"],
  ["val", "test"],
  ["valid", "test"],
  ["validation", "test"],
] as const);

/** Records as csv-parse gives them with `info`: the fields by column, and the line each record ends on. */
const rows = z.array(z.object({ record: z.record(z.string(), z.string()), info: z.object({ lines: z.int() }) }));

interface Row {
  readonly path: string;
  readonly label: string;
  readonly split: "train" | "test" | undefined;
}

/**
 * Lists the images that the CSV file `path` names.
 * @throws UserError "missing-file"; "bad-file" naming the line for a missing column, an empty field or a path that
 * comes twice.
 */
export async function listCsv(path: string): Promise<FolderParts> {
  const listedRows = readRows(await readDataFile(path), path);
  const hasSplit = listedRows.some(({ split }) => split !== undefined);
  const part = async (wanted: "train" | "test", about: string): Promise<Part> => {
    const chosen = listedRows.filter(({ split }) => !hasSplit || split === wanted);
    const sizes = await fileSizes(chosen.map((row) => resolve(dirname(path), row.path)));
    return {
      about,
      classes: sortedClasses(chosen.map(({ label }) => label)),
      files: chosen.map((row, index) => ({ path: row.path, bytes: sizes[index] ?? 0, className: row.label })),
      passedOver: [],
    };
  };
  if (!hasSplit) return { train: await part("train", path), test: undefined };
  return { train: await part("train", `${path} (train)`), test: await part("test", `${path} (test)`) };
}

function readRows(bytes: Buffer, path: string): readonly Row[] {
  let parsed: z.infer<typeof rows>;
  try {
    parsed = rows.parse(
      parse(bytes, {
        bom: true,
        columns: (header: string[]) => checkHeader(header, path),
        info: true,
        // Any of them on any line: the first line's alone would make one record of a file that was put together.
        record_delimiter: ["\r\n", "\n", "\r"],
        skip_empty_lines: true,
        trim: true,
      }),
    );
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new UserError("bad-file", `the file is no sound CSV: ${error.message}`, {
      about: path,
      hint: "Mend that line: columns with a comma between them, and values that have a comma in double quotes",
      cause: error,
    });
  }
  const lines = new Map<string, number>();
  const isSplitGiven = parsed.some(({ record }) => (record["split"] ?? "") !== "");
  const result = parsed.map(({ record, info }) => {
    const about = `${path}, line ${info.lines}`;
    const image = field(record, "path", about);
    const label = field(record, "label", about);
    const earlier = lines.get(image);
    if (earlier !== undefined) {
      throw new UserError("bad-file", `the image ${image} is named a second time; first on line ${earlier}`, {
        about,
        hint: "An image belongs to one class and to one part of the data",
      });
    }
    lines.set(image, info.lines);
    return { path: image, label, split: isSplitGiven ? splitOf(record["split"] ?? "", about) : undefined };
  });
  if (result.length > 0) return result;
  throw new UserError("bad-file", "the file names no images", {
    about: path,
    hint: "A line for each image: its path and its label",
  });
}

function checkHeader(header: readonly string[], path: string): string[] {
  const names = header.map((name) => name.trim().toLowerCase());
  if (names.includes("path") && names.includes("label")) return names;
  throw new UserError("bad-file", "the first line is not the header it should be", {
    about: path,
    expected: columns.slice(0, 2).join(","),
    received: header.slice(0, 5).join(","),
    hint: `Columns are path, label and, if you like, split (${[...splitNames.keys()].join(", ")})`,
  });
}

function field(record: Readonly<Record<string, string>>, name: string, about: string): string {
  const value = record[name] ?? "";
  if (value !== "") return value;
  throw new UserError("bad-file", `the ${name} is empty`, { about, hint: "Each line needs a path and a label" });
}

function splitOf(text: string, about: string): "train" | "test" {
  const name = [...splitNames].find(([known]) => known === text.toLowerCase())?.[1];
  if (name !== undefined) return name;
  throw new UserError("bad-file", "the split is not one that is known", {
    about,
    expected: [...splitNames.keys()].join(", "),
    received: `"${text}"`,
    hint: "Write one of these, or leave the column empty in every line to have test images drawn",
  });
}
