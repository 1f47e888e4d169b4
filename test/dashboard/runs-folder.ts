/** Folders of runs for tests of the dashboard, with a page that stands in for the built one where none is looked at. */
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunEvent } from "../../src/training/events/events.ts";

export async function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "espalier-dashboard-"));
}

export function linesOf(events: readonly RunEvent[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join("");
}

/** Writes a run called `name` into `root` and returns its folder. */
export async function writeRun(root: string, name: string, events: readonly RunEvent[]): Promise<string> {
  const folder = join(root, name);
  await mkdir(join(folder, "checkpoints"), { recursive: true });
  await writeFile(join(folder, "events.jsonl"), linesOf(events));
  return folder;
}

export async function plainPage(root: string): Promise<string> {
  const folder = join(root, "page");
  for (const part of ["assets", "ort"]) await mkdir(join(folder, part), { recursive: true });
  await writeFile(join(folder, "index.html"), "<!doctype html><title>page</title>");
  await writeFile(join(folder, "assets", "a.js"), "export {};");
  await writeFile(join(folder, "ort", "ort.wasm.min.mjs"), "export {};");
  return folder;
}
