/**
 * Reads the binary layout of CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning Multiple Layers of Features from Tiny
 * Images", 2009): files of fixed-size records, each with its label bytes and then the red, green and blue planes of 32
 * × 32 pixels. A CIFAR-10 record has one label byte; a CIFAR-100 record has two, the coarse label and then the fine
 * one.
 */
import { join } from "node:path";
import { UserError } from "../core/errors.ts";
import { cifar10Classes, cifar100Classes } from "./classes.ts";
import {
  allocateSplit,
  type Dataset,
  type Normalization,
  type SampleShape,
  type StoredSplit,
  sampleSize,
} from "./dataset.ts";
import { readDataFile } from "./files.ts";

const cifarShape: SampleShape = [3, 32, 32];
const imageBytes = sampleSize(cifarShape);

/** How a dataset is distributed over files. */
export interface CifarLayout {
  readonly name: string;
  readonly classes: readonly string[];
  /** The number of values of each label byte, in file order. The last label byte is the class. */
  readonly labelBytes: readonly number[];
  readonly trainFiles: readonly string[];
  readonly testFiles: readonly string[];
  /** Number of records in each file of the split. */
  readonly trainRecords: number;
  readonly testRecords: number;
  /** Mean and standard deviation of the training pixels / 255. */
  readonly normalization: Normalization;
  /** The folder that the official archive unpacks to. */
  readonly officialFolder: string;
}

export const cifar10Layout: CifarLayout = {
  name: "cifar10",
  classes: cifar10Classes,
  labelBytes: [10],
  trainFiles: [1, 2, 3, 4, 5].map((part) => `data_batch_${part}.bin`),
  testFiles: ["test_batch.bin"],
  trainRecords: 10_000,
  testRecords: 10_000,
  normalization: { mean: [0.4914, 0.4822, 0.4465], standardDeviation: [0.247, 0.2435, 0.2616] },
  officialFolder: "cifar-10-batches-bin",
};

export const cifar100Layout: CifarLayout = {
  name: "cifar100",
  classes: cifar100Classes,
  labelBytes: [20, 100],
  trainFiles: ["train.bin"],
  testFiles: ["test.bin"],
  trainRecords: 50_000,
  testRecords: 10_000,
  normalization: { mean: [0.5071, 0.4865, 0.4409], standardDeviation: [0.2673, 0.2564, 0.2762] },
  officialFolder: "cifar-100-binary",
};

/** Bytes of one record: the labels and the three colour planes. */
export function cifarRecordBytes(layout: CifarLayout): number {
  return layout.labelBytes.length + imageBytes;
}

/**
 * Reads the dataset of `layout` from the files in `folder`.
 * @throws UserError "missing-file"; "bad-file" if a file is too short or too long, or a label is out of range.
 */
export async function readCifar(folder: string, layout: CifarLayout): Promise<Dataset<StoredSplit>> {
  const train = await readSplit(folder, layout, layout.trainFiles, layout.trainRecords);
  const test = await readSplit(folder, layout, layout.testFiles, layout.testRecords);
  return {
    name: layout.name,
    classes: layout.classes,
    sampleShape: cifarShape,
    normalization: layout.normalization,
    augmentation: { pad: 4, flip: true },
    train,
    test,
  };
}

async function readSplit(
  folder: string,
  layout: CifarLayout,
  files: readonly string[],
  records: number,
): Promise<StoredSplit> {
  const split = allocateSplit(files.length * records, cifarShape);
  for (const [part, file] of files.entries()) {
    const path = join(folder, file);
    const bytes = await readDataFile(
      path,
      `${layout.name} consists of ${[...layout.trainFiles, ...layout.testFiles].join(", ")}`,
    );
    checkLength(bytes, path, layout, records);
    unpackRecords(bytes, path, layout, split, part * records);
  }
  return split;
}

function checkLength(bytes: Buffer, path: string, layout: CifarLayout, records: number): void {
  const size = cifarRecordBytes(layout);
  if (bytes.length === records * size) return;
  throw new UserError("bad-file", bytes.length < records * size ? "the file is cut short" : "the file is too long", {
    about: path,
    expected: `${records * size} bytes, ${records} records of ${size}`,
    received: `${bytes.length} bytes`,
    hint: `Replace it with the file of that name from the official binary version of ${layout.name}`,
  });
}

/** Copies the records of one file into `split`, from image `first` on. */
function unpackRecords(bytes: Buffer, path: string, layout: CifarLayout, split: StoredSplit, first: number): void {
  const size = cifarRecordBytes(layout);
  const labelCount = layout.labelBytes.length;
  for (let record = 0; record * size < bytes.length; record++) {
    const start = record * size;
    let label = 0;
    for (let position = 0; position < labelCount; position++) {
      label = bytes[start + position] ?? 0;
      const bound = layout.labelBytes[position] ?? 0;
      if (label >= bound) {
        throw new UserError("bad-file", `the label of record ${record} (byte ${start + position}) is out of range`, {
          about: path,
          expected: `0 to ${bound - 1}`,
          received: String(label),
          hint: `Check that this is a file of ${layout.name}`,
        });
      }
    }
    split.labels[first + record] = label;
    split.images.set(bytes.subarray(start + labelCount, start + size), (first + record) * imageBytes);
  }
}
