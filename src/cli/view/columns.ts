/** Tables without a frame: columns as wide as their widest cell. */
import { alignRight } from "../terminal.ts";

export interface Cell {
  readonly text: string;
  readonly right: boolean;
}

/** A cell aligned left, for words. */
export const left = (text: string): Cell => ({ text, right: false });
/** A cell aligned right, for numbers. */
export const right = (text: string): Cell => ({ text, right: true });

/** A line a row, `gap` blanks between columns; the first row has every column. */
export function columns(rows: readonly (readonly Cell[])[], gap = 3): string[] {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.text.length ?? 0)));
  return rows.map((row) => {
    const cells = row.map(({ text, right: isRight }, index) =>
      isRight ? alignRight(text, widths[index] ?? 0) : text.padEnd(widths[index] ?? 0),
    );
    return `  ${cells.join(" ".repeat(gap)).trimEnd()}`;
  });
}
