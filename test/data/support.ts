/** Small datasets and folders for the tests of `src/data/`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { type ErrorCode, UserError } from "../../src/core/errors.ts";
import { allocateSplit, type SampleShape, type StoredSplit } from "../../src/data/dataset.ts";
import { randomBytes } from "./random-bytes.ts";

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A new folder, which is removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "espalier-data-test-"));
  folders.push(folder);
  return folder;
}

export function randomSplit(name: string, count: number, sampleShape: SampleShape): StoredSplit {
  const split = allocateSplit(count, sampleShape);
  split.images.set(randomBytes(name, split.images.length));
  split.labels.set(randomBytes(`${name}.labels`, count, 10));
  return split;
}

/** All values of an asynchronous generator. */
export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

/** The `UserError` that `work` throws; its code must be `code`. */
export async function userError(work: Promise<unknown> | (() => unknown), code: ErrorCode): Promise<UserError> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    if (error instanceof UserError) {
      expect(error.code).toBe(code);
      return error;
    }
  }
  throw new Error(`expected a UserError "${code}"`);
}
