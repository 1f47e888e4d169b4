/** A network and images small enough for the reference engine, and folders for runs of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

export { tinyDataset, tinyResnet, tinyShape, tinyWithoutNorms } from "./tiny-network.ts";

const temporaryFolders: string[] = [];

afterAll(() => {
  for (const folder of temporaryFolders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder of its own for a test's runs, gone when the file's tests are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "espalier-test-"));
  temporaryFolders.push(folder);
  return folder;
}
