/** `npm run docs`: writes the documents that are derived from the code. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { documents } from "./documents.ts";

for (const [path, content] of documents) {
  writeFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), content);
  console.log(`wrote ${path}`);
}
