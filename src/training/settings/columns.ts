/** Reads which columns of a table feed which input of a network, from the text of a flag. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { type InputColumn, type InputColumns, wordForms } from "../../data/dataset.ts";
import { byName } from "./codecs.ts";
import type { Codec } from "./setting.ts";

const words = z
  .array(z.string().min(1))
  .min(1)
  .readonly()
  .refine((all) => new Set(all).size === all.length, "a word is there twice");
const wordColumn = z.strictObject({ column: z.string().min(1), as: z.enum(wordForms), words });

export const columnsSchema: z.ZodType<InputColumns, InputColumns> = z.record(
  z.string().min(1),
  z
    .array(z.union([z.string().min(1), wordColumn]))
    .min(1)
    .readonly(),
);

/**
 * `x=age+weight,y=scores`: for each input the columns whose numbers it gets, one column after the other.
 * `x=colour:index:red:green` is a column of words, and `x=colour:index:@words.txt` one whose words a file has in lines.
 */
export const inputColumns: Codec = byName("an input", readColumns);

/** The columns in the text of `flag`. Throws `UserError("bad-option")` if it is not of this form. */
export function readInputColumns(text: string, flag = "--columns"): InputColumns {
  return columnsSchema.parse(inputColumns.read(text, flag));
}

function readColumns(text: string, flag: string, input: string): readonly InputColumn[] {
  const names = text.split("+").map((name) => name.trim());
  if (!names.includes("")) return names.map((name) => readColumn(name, flag, input));
  throw new UserError("bad-option", `the name of a column for "${input}" is empty`, {
    about: flag,
    expected: `${input}=column, or ${input}=column+column`,
    received: text,
    hint: "Write the names of columns as in the first line of the table, with + between them",
  });
}

function readColumn(text: string, flag: string, input: string): InputColumn {
  const [column = "", form = "", ...listed] = text.split(":").map((part) => part.trim());
  const as = wordForms.find((one) => one === form);
  if (as === undefined) return text;
  const [first = ""] = listed;
  const all = listed.length === 1 && first.startsWith("@") ? wordsIn(first.slice(1), flag) : listed;
  const problem =
    all.length === 0 || all.includes("")
      ? "a word is empty"
      : new Set(all).size < all.length
        ? "a word is there twice"
        : column === ""
          ? "the name of the column is empty"
          : undefined;
  if (problem === undefined) return { column, as, words: all };
  throw new UserError("bad-option", problem, {
    about: flag,
    expected: `${input}=column:${as}:word:word`,
    received: text.slice(0, 80),
    hint: "List each word of the column once, in the order that the network was trained with",
  });
}

/** The words in the lines of the file `path`. */
function wordsIn(path: string, flag: string): readonly string[] {
  try {
    const lines = readFileSync(path, "utf8").split(/\r?\n/);
    return lines.map((line) => line.trim()).filter((line) => line !== "");
  } catch (cause) {
    throw new UserError("missing-file", "the file of words cannot be read", {
      about: path,
      hint: `Name a text file with a word in each line after the @ of ${flag}`,
      cause,
    });
  }
}
