import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { documents } from "../../scripts/documents.ts";

test.each(documents)("%s is what the code derives; npm run docs writes it", (path, content) => {
  expect(readFileSync(path, "utf8")).toBe(content);
});
