/**
 * A library that cannot be used, handed to the command line: it is named, with what to do, and the process ends with 2.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { oneDnn } from "../../src/engine/onednn/ffi/library.ts";
import { type Finished, start } from "./support.ts";

const { version, file } = oneDnn();
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "espalier-library-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function benchWith(library: string): Promise<Finished> {
  const { exitCode, stdout, stderr } = await start(["bench", "resnet-20", "--step", "--batch", "2"], undefined, {
    ESPALIER_ONEDNN: library,
  });
  return { exitCode: exitCode ?? -1, stdout, stderr };
}

/** A copy of oneDNN changed by `change`. */
function copy(name: string, change: (path: string) => void): string {
  const path = join(folder, name);
  copyFileSync(file.path, path);
  change(path);
  return path;
}

/**
 * Writes another version over each place that holds this one as `dnnl_version` returns it: three integers, then a
 * pointer.
 */
function ofVersion(path: string, other: readonly number[]): void {
  const bytes = readFileSync(path);
  const words = (numbers: readonly number[]): Buffer => Buffer.from(Int32Array.from([...numbers, 0]).buffer);
  const mine = words(version.split(".").map(Number));
  for (let at = bytes.indexOf(mine); at >= 0; at = bytes.indexOf(mine, at + 1)) words(other).copy(bytes, at);
  writeFileSync(path, bytes);
}

const libm = (): string => /\s(\/\S*libm[.-]\S*)/.exec(readFileSync("/proc/self/maps", "utf8"))?.[1] ?? "";

describe("a library that cannot be used", () => {
  it.each([
    ["nowhere", () => join(folder, "nowhere.so"), "no such file"],
    ["a folder", () => folder, "got a folder"],
    ["truncated", () => copy("short.so", (path) => truncateSync(path, 4_000_000)), "truncated"],
    ["no oneDNN", libm, "built without dnnl_version"],
    ["too old", () => copy("old.so", (path) => ofVersion(path, [1, 9, 0])), "got 1.9.0"],
    ["too new", () => copy("new.so", (path) => ofVersion(path, [9, 0, 1])), "got 9.0.1"],
  ])("%s: the message names it, and the exit code is 2", async (_, make, reason) => {
    const library = make();
    const { exitCode, stderr } = await benchWith(library);
    expect(stderr).toContain(`ESPALIER_ONEDNN=${library}`);
    expect(stderr).toContain(reason);
    expect(stderr).toContain("[engine-missing]");
    expect(exitCode).toBe(2);
  });
});
