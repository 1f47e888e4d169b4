/** Reads which columns of a table feed which input of a network, from the text of a flag. */
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import type { InputColumns } from "../../data/dataset.ts";
import { byName } from "./codecs.ts";
import type { Codec } from "./setting.ts";

export const columnsSchema: z.ZodType<InputColumns, InputColumns> = z.record(
  z.string().min(1),
  z.array(z.string().min(1)).min(1).readonly(),
);

/** `x=age+weight,y=scores`: for each input the columns whose numbers it gets, one column after the other. */
export const inputColumns: Codec = byName("an input", readColumns);

/** The columns in the text of `flag`. Throws `UserError("bad-option")` if it is not of this form. */
export function readInputColumns(text: string, flag = "--columns"): InputColumns {
  return columnsSchema.parse(inputColumns.read(text, flag));
}

function readColumns(text: string, flag: string, input: string): readonly string[] {
  const names = text.split("+").map((name) => name.trim());
  if (!names.includes("")) return names;
  throw new UserError("bad-option", `the name of a column for "${input}" is empty`, {
    about: flag,
    expected: `${input}=column, or ${input}=column+column`,
    received: text,
    hint: "Write the names of columns as in the first line of the table, with + between them",
  });
}
