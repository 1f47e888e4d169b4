/** Reads the labels of an image from a cell of a table: a list, names between separators, or 0 and 1 for each class. */
import { UserError } from "../../core/errors.ts";
import { withJsonStrings } from "../../core/python-literals.ts";
import { listed } from "./classes.ts";

/** Characters of a cell that a message shows. */
const MOST_SHOWN = 80;

/** Characters between the names of a cell. The first one that any cell has separates the names of all cells. */
const separators = ["|", ";", ","] as const;

/**
 * The labels of each of `cells`: JSON's `["a","b"]` or Python's `['a', 'b']`, or names separated by `|`, `;` or `,`. An
 * empty cell has no labels. `about`: where a cell stands, by its index.
 * @throws UserError "bad-file" for a list that cannot be read, or an empty name.
 */
export function labelsOfCells(
  cells: readonly string[],
  about: (index: number) => string,
): readonly (readonly string[])[] {
  const plain = cells.filter((cell) => !isList(cell));
  const separator = separators.find((one) => plain.some((cell) => cell.includes(one)));
  return cells.map((cell, index) => {
    if (cell.trim() === "") return [];
    const names = isList(cell) ? listOf(cell, about(index)) : separator === undefined ? [cell] : cell.split(separator);
    const trimmed = names.map((name) => name.trim());
    // A separator behind the last name is usual; an empty name between two is a mistake.
    const ended = trimmed.at(-1) === "" && !isList(cell) ? trimmed.slice(0, -1) : trimmed;
    if (ended.every((name) => name !== "")) return ended;
    throw new UserError("bad-file", "a label is empty", {
      about: about(index),
      received: shown(cell),
      hint: "Write the names of the labels with one separator between them: cat;dog",
    });
  });
}

function isList(cell: string): boolean {
  return cell.trimStart().startsWith("[");
}

function listOf(cell: string, about: string): readonly string[] {
  for (const text of [cell, withJsonStrings(cell)]) {
    try {
      const value: unknown = JSON.parse(text);
      if (!Array.isArray(value)) continue;
      const names = value.filter((name) => typeof name === "string" || typeof name === "number");
      if (names.length === value.length) return names.map(String);
    } catch {
      // Not JSON: the other notation is tried, and then the cell is refused.
    }
  }
  throw new UserError("bad-file", "the list of labels cannot be read", {
    about,
    expected: '["cat","dog"], or names between semicolons',
    received: shown(cell),
    hint: "Correct this cell",
  });
}

const yes: ReadonlySet<string> = new Set(["1", "1.0", "true", "yes"]);
const no: ReadonlySet<string> = new Set(["0", "0.0", "false", "no", ""]);

/**
 * Whether an image has the class of a column, by its cell.
 * @throws UserError "bad-file" for a cell that is neither 0 nor 1.
 */
export function isMarked(cell: string, column: string, about: string): boolean {
  const text = cell.trim().toLowerCase();
  if (yes.has(text)) return true;
  if (no.has(text)) return false;
  throw new UserError("bad-file", `column "${column}" is not 0 or 1 for each image`, {
    about,
    expected: "0 or 1 in each column of a class, or one column called labels",
    received: `"${shown(cell)}"`,
    hint:
      text === "-1" || text === "-1.0"
        ? "Decide what an uncertain label counts as, and write 0 or 1"
        : "Remove columns that are not classes, or call the column with the names of the labels labels",
  });
}

/** Throws `UserError("bad-file")` unless some image has a label. */
export function checkLabels(classes: readonly string[], about: string): void {
  if (classes.length > 0) return;
  throw new UserError("bad-file", "no image has a label", {
    about,
    expected: "at least one class",
    received: listed(classes) || "none",
    hint: "Write the names of an image's labels into a column called labels, or 0 and 1 into a column for each class",
  });
}

function shown(cell: string): string {
  return cell.length > MOST_SHOWN ? `${cell.slice(0, MOST_SHOWN)}…` : cell;
}
