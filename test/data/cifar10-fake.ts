/** A substitute for the npm package: a tarball of the same layout with a few images in each file. */
import { createHash } from "node:crypto";
import { appendFile, copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { encode } from "fast-png";
import { create } from "tar";
import type { Cifar10Source } from "../../src/data/cifar10-source.ts";
import { randomBytes } from "./random-bytes.ts";

/** `Cifar10Source` without its function, so that it can be sent to another process. */
export interface FakeDescription extends Omit<Cifar10Source, "tarball"> {
  readonly path: string;
  /** A log file: each fetch adds a line. */
  readonly log: string;
}

const records = 4;

/**
 * Makes the tarball in `folder`. The images have the package's layout in the tarball, and CIFAR-10's layout in `sums`.
 */
export async function makeFake(folder: string): Promise<FakeDescription> {
  const content = join(folder, "package");
  await mkdir(content);
  const sums: Record<string, string> = {};
  for (const name of [1, 2, 3, 4, 5].map((part) => `data_batch_${part}`).concat("test_batch")) {
    const data = randomBytes(name, records * 3072);
    await writeFile(
      join(content, `${name}.png`),
      encode({ width: 1024, height: records, channels: 3, depth: 8, data }),
    );
    sums[`${name}.bin`] = createHash("sha256").update(binaryOf(name)).digest("hex");
  }
  const labels = (count: number): string => JSON.stringify(Array.from({ length: count }, (_, index) => index % 10));
  await writeFile(join(content, "train_lables.json"), labels(5 * records));
  await writeFile(join(content, "test_lables.json"), labels(records));
  await writeFile(join(content, "index.js"), "throw new Error('this must not run')");
  const path = join(folder, "fake.tgz");
  await create({ file: path, cwd: folder, gzip: true }, ["package"]);
  const bytes = await readFile(path);
  const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  return { integrity, tarballBytes: bytes.length, records, sums, path, log: join(folder, "fetches.log") };
}

/**
 * The expected content of file `name`: the label and the three planes of each record, taken from the interleaved
 * pixels.
 */
export function binaryOf(name: string): Uint8Array {
  const data = randomBytes(name, records * 3072);
  const first = name === "test_batch" ? 0 : (Number(name.at(-1)) - 1) * records;
  const binary = Array.from({ length: records }, (_, record) => {
    const plane = (channel: number): number[] =>
      Array.from({ length: 1024 }, (_, pixel) => data[(record * 1024 + pixel) * 3 + channel] ?? -1);
    return [(first + record) % 10, ...plane(0), ...plane(1), ...plane(2)];
  });
  return Uint8Array.from(binary.flat());
}

/** A source that copies the tarball after `milliseconds`. */
export function fakeSource({ path, log, ...description }: FakeDescription, milliseconds = 0): Cifar10Source {
  return {
    ...description,
    tarball: async (folder) => {
      await appendFile(log, "fetched\n");
      await delay(milliseconds);
      await copyFile(path, join(folder, "copy.tgz"));
      return join(folder, "copy.tgz");
    },
  };
}
