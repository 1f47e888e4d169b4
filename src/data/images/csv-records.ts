/** Reads the records of a CSV file, each with its line. */
import { CsvError, parse } from "csv-parse/sync";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";

/** Records as csv-parse returns them with `info`: the fields by column, and the line on which each record ends. */
const rows = z.array(z.object({ record: z.record(z.string(), z.string()), info: z.object({ lines: z.int() }) }));

export interface CsvRecord {
  /** By the name of its column. */
  readonly fields: Readonly<Record<string, string>>;
  readonly line: number;
}

/**
 * The records of the file `path` with the content `bytes`. `columns` checks its header and names the columns. Throws
 * `UserError("bad-file")` if it is not valid CSV, and what `columns` throws.
 */
export function csvRecords(
  bytes: Buffer,
  path: string,
  columns: (header: readonly string[]) => readonly string[],
): readonly CsvRecord[] {
  try {
    const parsed = rows.parse(
      parse(bytes, {
        bom: true,
        columns: (header: string[]) => [...columns(header)],
        info: true,
        // Accept each of these on every line: with the first line's delimiter alone, a file with mixed line ends would
        // become one record.
        record_delimiter: ["\r\n", "\n", "\r"],
        skip_empty_lines: true,
        trim: true,
      }),
    );
    return parsed.map(({ record, info }) => ({ fields: record, line: info.lines }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new UserError("bad-file", `the file is not valid CSV: ${error.message}`, {
      about: path,
      hint: "Correct that line: put commas between the columns, and double quotes around values with a comma",
      cause: error,
    });
  }
}
