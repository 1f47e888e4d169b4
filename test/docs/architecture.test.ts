/** What the documents for newcomers say of the code: the files that they name are there, and the ways are short. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** Paths from the root of the repository in backticks or links; in `docs/`, links are from there. */
function namedFiles(document: string): readonly string[] {
  const text = readFileSync(document, "utf8").replaceAll(/^```.*?^```/gms, "");
  const quoted = [...text.matchAll(/`((?:src|test|docs|bench|scripts|examples|recipes|packages)\/[\w./-]*)`/g)];
  const linked = [...text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)];
  const folder = document.includes("/") ? document.replace(/[^/]*$/, "") : "";
  return [...quoted.map(([, path = ""]) => path), ...linked.map(([, path = ""]) => `${folder}${path}`)];
}

test.each([
  ["README.md", 8],
  ["CONTRIBUTING.md", 30],
  ["docs/README.md", 20],
  ["docs/architecture.md", 60],
])("every file that %s names is there", (document, least) => {
  const files = namedFiles(document);
  expect(files.length).toBeGreaterThanOrEqual(least);
  expect(files.filter((path) => !existsSync(path))).toEqual([]);
});

test("the ways through the code have at most ten hops, a sentence each", () => {
  const text = readFileSync("docs/architecture.md", "utf8");
  const ways = [...text.matchAll(/^## The way of (.+)\n([\s\S]*?)(?=^## )/gm)];
  expect(ways.map(([, of]) => of)).toEqual(["a network", "a scaling factor", "a batch"]);
  for (const [, of, way = ""] of ways) {
    const hops = way.split(/^\d+\. /m).slice(1);
    expect(hops.length, of).toBeGreaterThanOrEqual(5);
    expect(hops.length, of).toBeLessThanOrEqual(10);
    for (const hop of hops) {
      expect(hop, of).toMatch(/`src\/[\w/-]+\.ts`/);
      // Dots that end a sentence: those in names of files have no space behind them.
      expect(hop.trim().match(/\.(?=\s|$)/g), hop).toHaveLength(1);
    }
  }
});

test("docs/cli.md has a row for every command", () => {
  const rows = [...readFileSync("docs/cli.md", "utf8").matchAll(/^\| `espalier (\w+)/gm)].map(([, name]) => name);
  const commands = readdirSync("src/cli/commands").map((file) => file.replace(/\.ts$/, ""));
  expect([...new Set(rows)].toSorted()).toEqual(commands.toSorted());
});

test("the table of folders has all of them, in the order of the layers", () => {
  const layers = readFileSync("scripts/check-layers.mjs", "utf8").match(/const layers = \[([^\]]*)\]/)?.[1] ?? "";
  const rows = [...readFileSync("docs/architecture.md", "utf8").matchAll(/^\| `src\/(\w+)\/` \|/gm)];
  expect(rows.map(([, folder]) => folder)).toEqual([...layers.matchAll(/"(\w+)"/g)].map(([, name]) => name));
});

test("the table of src/training/ has all of its files and folders", () => {
  const table = readFileSync("docs/architecture.md", "utf8").match(/^\| in `src\/training\/` [\s\S]*?\n\n/m)?.[0] ?? "";
  const firstCells = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = ""]) => cell.split(", "));
  const entries = readdirSync("src/training", { withFileTypes: true }).map(
    (entry) => `\`${entry.name}${entry.isDirectory() ? "/" : ""}\``,
  );
  expect(firstCells.toSorted()).toEqual(entries.toSorted());
});
