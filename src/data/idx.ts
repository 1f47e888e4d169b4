/**
 * Reads the idx files of MNIST and Fashion-MNIST (LeCun's format): a magic number (0, 0, 8 for unsigned bytes, the
 * number of dimensions), the dimensions as big-endian 32-bit numbers, then the bytes. Files may be compressed with
 * gzip.
 */
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { UserError } from "../core/errors.ts";
import { allocateSplit, type SampleShape, type StoredSplit } from "./dataset.ts";
import { fileSize, readDataFile } from "./files.ts";

const gunzipAsync = promisify(gunzip);

/** An upper limit for the unpacked size of an idx file, which stops a broken or malicious gzip file. */
const largestFile = 2 ** 30;

const DOWNLOAD_AGAIN_HINT = "The file may be cut short, or another file. Download it again";

interface IdxArray {
  readonly path: string;
  readonly dimensions: readonly number[];
  readonly values: Uint8Array;
}

export interface IdxSplits {
  readonly train: StoredSplit;
  readonly test: StoredSplit;
}

/** The names of a file: as published, with a dot instead of a dash, and both with ".gz". */
function candidates(part: "train" | "t10k", kind: "images-idx3" | "labels-idx1"): readonly string[] {
  const [what = "", format = ""] = kind.split("-");
  const names = [`${part}-${what}-${format}-ubyte`, `${part}-${what}.${format}-ubyte`];
  return names.flatMap((name) => [name, `${name}.gz`]);
}

/** True if `folder` holds at least one of the four files. */
export async function hasIdxFiles(folder: string): Promise<boolean> {
  const names = (["train", "t10k"] as const).flatMap((part) => [
    ...candidates(part, "images-idx3"),
    ...candidates(part, "labels-idx1"),
  ]);
  const sizes = await Promise.all(names.map((name) => fileSize(join(folder, name))));
  return sizes.some((size) => size !== undefined);
}

/**
 * Reads the four files in `folder`. Labels are checked against `classes` unless it is undefined.
 * @throws UserError "missing-file", with `hint`; "bad-file" if a file is cut short, too long, not an idx file, or does
 * not fit the other files.
 */
export async function readIdx(folder: string, classes: number | undefined, hint: string): Promise<IdxSplits> {
  const train = await readSplit(folder, "train", classes, hint);
  const test = await readSplit(folder, "t10k", classes, hint);
  const [, height, width] = train.sampleShape;
  if (test.sampleShape[1] !== height || test.sampleShape[2] !== width) {
    throw new UserError("bad-file", "training and test images differ in size", {
      about: folder,
      expected: `${height} × ${width}`,
      received: `${test.sampleShape[1]} × ${test.sampleShape[2]}`,
      hint: "Use the four files of one dataset",
    });
  }
  return { train, test };
}

async function readSplit(
  folder: string,
  part: "train" | "t10k",
  classes: number | undefined,
  hint: string,
): Promise<StoredSplit> {
  const images = await readArray(folder, candidates(part, "images-idx3"), 3, hint);
  const labels = await readArray(folder, candidates(part, "labels-idx1"), 1, hint);
  const [count = 0, height = 0, width = 0] = images.dimensions;
  if (labels.values.length !== count) {
    throw new UserError("bad-file", "there is not one label for each image", {
      about: labels.path,
      expected: `${count} labels`,
      received: String(labels.values.length),
      hint: "Use images and labels of the same split of one dataset",
    });
  }
  const outside = classes === undefined ? -1 : labels.values.findIndex((label) => label >= classes);
  if (classes !== undefined && outside >= 0) {
    throw new UserError("bad-file", `label ${outside} is out of range`, {
      about: labels.path,
      expected: `0 to ${classes - 1}`,
      received: String(labels.values[outside]),
      hint: "The file may belong to another dataset. Download it again",
    });
  }
  const shape: SampleShape = [1, height, width];
  const split = allocateSplit(count, shape);
  split.images.set(images.values);
  split.labels.set(labels.values);
  return split;
}

async function readArray(folder: string, names: readonly string[], rank: number, hint: string): Promise<IdxArray> {
  for (const name of names) {
    const path = join(folder, name);
    if ((await fileSize(path)) === undefined) continue;
    return parse(path, await unzipped(path, await readDataFile(path)), rank);
  }
  throw new UserError("missing-file", `no ${names[0]} (or .gz)`, { about: folder, hint });
}

async function unzipped(path: string, bytes: Buffer): Promise<Buffer> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await gunzipAsync(bytes, { maxOutputLength: largestFile });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UserError("bad-file", `the gzip data cannot be unpacked (${reason}; ${bytes.length} bytes)`, {
      about: path,
      hint: DOWNLOAD_AGAIN_HINT,
      cause,
    });
  }
}

function parse(path: string, bytes: Buffer, rank: number): IdxArray {
  const header = 4 + 4 * rank;
  const magic = 0x800 + rank;
  if (bytes.length < header) {
    throw new UserError("bad-file", "the file is cut short", {
      about: path,
      expected: `a header of ${header} bytes`,
      received: `${bytes.length} bytes`,
      hint: DOWNLOAD_AGAIN_HINT,
    });
  }
  if (bytes.readUInt32BE(0) !== magic) {
    throw new UserError("bad-file", `this is not an idx file of unsigned bytes in ${rank} dimensions`, {
      about: path,
      expected: `magic number ${magic}`,
      received: String(bytes.readUInt32BE(0)),
      hint: DOWNLOAD_AGAIN_HINT,
    });
  }
  const dimensions = Array.from({ length: rank }, (_, axis) => bytes.readUInt32BE(4 + 4 * axis));
  const size = dimensions.reduce((product, dimension) => product * dimension, 1);
  if (size === 0) {
    throw new UserError("bad-file", `the file is empty: ${dimensions.join(" × ")}`, {
      about: path,
      hint: DOWNLOAD_AGAIN_HINT,
    });
  }
  if (bytes.length !== header + size) {
    throw new UserError("bad-file", bytes.length < header + size ? "the file is cut short" : "the file is too long", {
      about: path,
      expected: `${header + size} bytes unpacked, for ${dimensions.join(" × ")}`,
      received: `${bytes.length} bytes`,
      hint: DOWNLOAD_AGAIN_HINT,
    });
  }
  return { path, dimensions, values: bytes.subarray(header) };
}
