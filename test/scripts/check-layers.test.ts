import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "espalier-layers-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function check(files: Readonly<Record<string, string>>): Promise<{ exitCode: number; complaints: string[] }> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  const result = await execa("node", ["scripts/check-layers.mjs", folder], { reject: false });
  return { exitCode: result.exitCode ?? -1, complaints: result.stderr.split("\n").filter((line) => line !== "") };
}

describe("check-layers", () => {
  it("accepts imports from above and from the same folder", async () => {
    const { exitCode, complaints } = await check({
      "core/a.ts": "export const a = 1;\n",
      "graph/b.ts": 'import { a } from "../core/a.ts";\nexport const b = a;\n',
      "graph/c.ts": 'import { b } from "./b.ts";\nexport const c = b;\n',
      "index.ts": 'export { c } from "./graph/c.ts";\n',
    });
    expect(complaints).toEqual([]);
    expect(exitCode).toBe(0);
  });

  it("names an import from further down, of a type and over several lines as well", async () => {
    const { exitCode, complaints } = await check({
      "core/a.ts": 'import type {\n  B,\n} from "../graph/b.ts";\nexport type A = B;\n',
      "graph/b.ts": "export type B = number;\n",
    });
    expect(complaints).toEqual(["core/a.ts imports graph/b.ts, which is further down"]);
    expect(exitCode).toBe(1);
  });

  it("names a circle once, with every step of it", async () => {
    const { complaints } = await check({
      "graph/a.ts": 'import { b } from "./b.ts";\nexport const a = b;\n',
      "graph/b.ts": 'import { c } from "./c.ts";\nexport const b = c;\n',
      "graph/c.ts": 'export { a as c } from "./a.ts";\n',
    });
    expect(complaints).toEqual(["circular: graph/a.ts → graph/b.ts → graph/c.ts → graph/a.ts"]);
  });

  it("names folders without a place and files that are not there", async () => {
    const { complaints } = await check({ "utilities/a.ts": 'import "./gone.ts";\n' });
    expect(complaints).toEqual([
      "utilities/a.ts is in a folder without a place in the order of layers",
      "utilities/a.ts imports utilities/gone.ts, which is not there",
    ]);
  });
});
