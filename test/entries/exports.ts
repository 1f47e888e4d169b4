/** All that the package exports, found in the folder of its entry points: one that is added is looked at too. */
import { readdirSync } from "node:fs";
import * as top from "../../src/index.ts";

/** By name: what any entry point exports. */
export async function everyExport(): Promise<ReadonlyMap<string, unknown>> {
  const files = readdirSync(new URL("../../src/entries/", import.meta.url));
  const names = files.map((file) => file.replace(/\.ts$/, ""));
  const entries: readonly object[] = await Promise.all(names.map((name) => import(`../../src/entries/${name}.ts`)));
  return new Map([top, ...entries].flatMap((entry): [string, unknown][] => Object.entries(entry)));
}
