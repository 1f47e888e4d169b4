/** Documents are read in editors and in diffs: lines of prose have at most 120 columns. */
import { readFileSync } from "node:fs";
import { globSync } from "tinyglobby";
import { expect, test } from "vitest";

/** Lines that are neither rows of tables nor in blocks of code. */
function proseOf(document: string): readonly string[] {
  const text = readFileSync(document, "utf8").replaceAll(/^ *```.*?^ *```/gms, "");
  return text.split("\n").filter((line) => !line.startsWith("|"));
}

test.each(globSync(["*.md", "docs/**/*.md", "packages/*/*.md"]))(
  "%s has no line of prose over 120 columns",
  (document) => {
    // Columns, not UTF-16 units.
    expect(proseOf(document).filter((line) => [...line].length > 120)).toEqual([]);
  },
);
