import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { documents } from "../../scripts/documents.ts";

test.each(documents)("%s is what the code derives; npm run docs writes it", (path, content) => {
  expect(readFileSync(path, "utf8")).toBe(content);
});

test("every field of every event says what it is", () => {
  const rows = new Map(documents).get("docs/events.md")?.match(/^\| `.*$/gm) ?? [];
  expect(rows.length).toBeGreaterThan(150);
  for (const row of rows) expect(row).toMatch(/^\| `[\w.[\]]+` \| \S.+ \| \S.+ \|$/);
});
