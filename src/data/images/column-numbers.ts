/**
 * Reads the numbers of each image from columns of a table, for the inputs of a network besides the images. A cell has
 * one number, or a list of them.
 */
import { UserError } from "../../core/errors.ts";
import { unknownName } from "../../core/names.ts";
import { columnName, type InputColumn, type InputColumns, otherWords, type WordColumn } from "../dataset.ts";
import type { SplitInputs } from "../inputs.ts";
import type { ImageNumbers, LabelledFile } from "./classes.ts";

/**
 * `wanted` with the names of columns as the table with the columns `header` has them, small or capital letters.
 * @throws UserError "unknown-name" for a column that the table does not have.
 */
export function columnsOf(header: readonly string[], wanted: InputColumns, path: string): InputColumns {
  const nameOf = (name: string): string => {
    const found = header.find((one) => one === name) ?? header.find((one) => alike(one) === alike(name));
    if (found === undefined) throw unknownName(`column of ${path}:`, name, header);
    return found;
  };
  const inTable = (one: InputColumn): InputColumn =>
    typeof one === "string" ? nameOf(one) : { ...one, column: nameOf(one.column) };
  return Object.fromEntries(Object.entries(wanted).map(([input, columns]) => [input, columns.map(inTable)]));
}

function alike(name: string): string {
  return name.trim().toLowerCase();
}

/**
 * The numbers in `row`, whose values are by column. `about`: where the row stands.
 * @throws UserError "bad-file" for a cell that is empty or has other things than numbers.
 */
export function numbersOfRow(
  row: Readonly<Record<string, unknown>>,
  columns: InputColumns,
  about: string,
): ImageNumbers {
  return Object.fromEntries(
    Object.entries(columns).map(([input, own]) => [
      input,
      own.flatMap((column) => {
        const name = columnName(column);
        const place = `column "${name}" of ${about}`;
        return typeof column === "string" ? numbersOfCell(row[name], place) : numbersOfWord(row[name], column, place);
      }),
    ]),
  );
}

function numbersOfWord(cell: unknown, { words, as }: WordColumn, about: string): readonly number[] {
  const word = (cell instanceof Uint8Array ? new TextDecoder().decode(cell) : String(cell ?? "")).trim();
  const listed = words.indexOf(word);
  const index = listed < 0 ? words.indexOf(otherWords) : listed;
  if (word !== "" && index >= 0) return as === "index" ? [index] : words.map((_, place) => Number(place === index));
  throw new UserError("bad-file", word === "" ? "a word is missing" : "a word is not among those of --columns", {
    about,
    expected: words.slice(0, 20).join(", "),
    received: word === "" ? "nothing" : word.slice(0, 80),
    hint:
      word === ""
        ? "Fill it, or remove the row: the network needs all values of an image"
        : `Correct it. If the network has a place for all other words, add ${otherWords} to the words`,
  });
}

const truths: ReadonlyMap<string, number> = new Map([
  ["true", 1],
  ["false", 0],
]);

function numbersOfCell(cell: unknown, about: string): readonly number[] {
  if (Array.isArray(cell)) return cell.flatMap((part) => numbersOfCell(part, about));
  const text = cell instanceof Uint8Array ? new TextDecoder().decode(cell) : cell;
  const numbers = typeof text === "string" ? numbersOfText(text) : [numberOf(text)];
  const strange = numbers.find((number) => !Number.isFinite(Math.fround(number)));
  if (numbers.length > 0 && strange === undefined) return numbers;
  const isEmpty = text === undefined || text === null || text === "" || numbers.length === 0;
  throw new UserError("bad-file", isEmpty ? "a value is missing" : "a value is not a number", {
    about,
    expected: "a finite number, or a list of them",
    received: isEmpty ? "nothing" : String(text).slice(0, 80),
    hint: isEmpty
      ? "Fill it, or remove the row: the network needs all values of an image"
      : "Write numbers into the columns of --columns. Words are listed: input=column:index:red:green is 0 for red " +
        "and 1 for green, and input=column:one-hot:red:green is 0 and 1 for each",
  });
}

function numberOf(value: unknown): number {
  const isNumber = typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
  return isNumber ? Number(value) : Number.NaN;
}

/** `0.5`, `true`, or a list in brackets or without: `[1, 2]`, `1;2`, `1 2`. */
function numbersOfText(text: string): readonly number[] {
  const inside = text.trim().replace(/^\[(.*)\]$/s, "$1");
  const parts = inside.split(/[\s,;|]+/).filter((part) => part !== "");
  return parts.map((part) => truths.get(part.toLowerCase()) ?? Number(part));
}

/** How many numbers each of the inputs of `files` gets, by the first file. */
export function widthsOf([first]: readonly LabelledFile[]): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(first?.numbers ?? {}).map(([input, { length }]) => [input, length]));
}

/**
 * The numbers of `files` as the inputs of a split, which have `widths`; undefined without any.
 * @throws UserError "bad-file" for an image with more or fewer numbers.
 */
export function inputsOf(
  files: readonly LabelledFile[],
  widths: Readonly<Record<string, number>>,
  columns: InputColumns | undefined,
): SplitInputs | undefined {
  if (columns === undefined) return undefined;
  const packed = Object.entries(widths).map(([input, width]) => {
    const bytes = files.length * width * Float32Array.BYTES_PER_ELEMENT;
    const values = new Float32Array(new SharedArrayBuffer(bytes));
    for (const [row, { path, numbers }] of files.entries()) {
      const own = numbers?.[input] ?? [];
      if (own.length !== width) throw otherWidth(path, columns[input] ?? [], width, own.length);
      values.set(own, row * width);
    }
    return [input, { width, values }] as const;
  });
  return Object.fromEntries(packed);
}

function otherWidth(path: string, columns: readonly InputColumn[], expected: number, received: number): UserError {
  return new UserError("bad-file", "an image has another number of values than the others", {
    about: `${path}, in ${columns.length === 1 ? "column" : "columns"} ${columns.map(columnName).join(", ")}`,
    expected: `${expected} numbers`,
    received: String(received),
    hint: "Write lists of the same length into all rows of a column",
  });
}
