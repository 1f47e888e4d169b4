/** Lines of prose in documents have at most 120 columns, as in code, and files of code at most 400 lines. */
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

test("no file of code has more than 400 lines", () => {
  const long = globSync(["src/**/*.{ts,tsx}", "examples/*.ts", "scripts/*.{ts,mjs}"]).flatMap((file) => {
    const text = readFileSync(file, "utf8");
    const lines = text.split("\n").length - 1;
    return lines > 400 && !/generated (by|from)/i.test(text.slice(0, 400)) ? [`${file}: ${lines}`] : [];
  });
  expect(long).toEqual([]);
});

test("the controller of budgets has at most 500 lines", () => {
  const files = ["budget-controller", "pruning-choice"].map((name) => `src/selection/${name}.ts`);
  const lines = files.map((file) => readFileSync(file, "utf8").split("\n").length - 1);
  expect(lines.reduce((sum, one) => sum + one)).toBeLessThanOrEqual(500);
});
