/** The readers of files that come from outside, with sound files to spoil. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import sharp from "sharp";
import { z } from "zod";
import { UserError } from "../../src/core/errors.ts";
import { tensor } from "../../src/core/tensor.ts";
import { cifar10Layout, readCifar } from "../../src/data/cifar.ts";
import { readIdx } from "../../src/data/idx.ts";
import { listCsv } from "../../src/data/images/csv.ts";
import { decodeBytes } from "../../src/data/images/decode.ts";
import { ParquetThread } from "../../src/data/images/parquet-thread.ts";
import { centreView } from "../../src/data/images/view.ts";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { readOnnx } from "../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/formats/safetensors.ts";
import { initialize } from "../../src/models/initialize.ts";
import { checkpointPath, readCheckpoint, writeCheckpoint } from "../../src/training/run-folder/checkpoint-files.ts";
import { tinyResnet } from "../training/tiny-network.ts";
import { mutate } from "./mutate.ts";
import { mutateOnnx } from "./mutate-onnx.ts";

export interface Target {
  readonly name: string;
  readonly sound: readonly Uint8Array[];
  /** Spoils one of them; their bytes, if it is left out. */
  readonly spoil?: (seed: number, number: number) => Buffer;
  /** Reads spoilt bytes. */
  read(bytes: Buffer): unknown;
  /**
   * What a refusal is: a `UserError` with a hint, or for single images, of which one stops nothing, any error with a
   * reason.
   */
  isRefusal(error: unknown): boolean;
}

export interface Targets {
  readonly targets: readonly Target[];
  /** Removes the files that readers of folders were given. */
  dispose(): Promise<void>;
}

/** Of other tools: constant subgraphs, f16 and f64 weights, notes, ops in idioms that Espalier does not write. */
const onnxFixtures = [
  ...["residual-17.onnx", "residual-old-inputs.onnx", "shortcut-dynamo.onnx", "products-dynamo.onnx"],
  ...["depthwise-9.onnx", "depthwise-dynamo.onnx", "half.onnx", "double.onnx", "notes.onnx", "keras.onnx"],
];

function onnxFixture(name: string): Buffer {
  return readFileSync(join(import.meta.dirname, "..", "formats", "onnx", "fixtures", name));
}

/** A record keeps the order of its keys, over which the digest is. */
const stateSchema = z.object({ body: z.record(z.string(), z.json()) });

const isUserError = (error: unknown): boolean => error instanceof UserError && error.details.hint !== "";

export async function openTargets(): Promise<Targets> {
  const folder = mkdtempSync(join(tmpdir(), "espalier-fuzz-"));
  const graph = tinyResnet();
  const network = { graph, weights: initialize(graph, 1) };
  const onnxFiles = [writeOnnx(network), ...onnxFixtures.map(onnxFixture)];
  const fileTarget = (
    name: string,
    file: string,
    sound: readonly Uint8Array[],
    read: (path: string) => unknown,
  ): Target => {
    const path = join(folder, name, file);
    mkdirSync(join(folder, name));
    return {
      ...{ name, sound, isRefusal: isUserError },
      read: (bytes) => {
        writeFileSync(path, bytes);
        return read(path);
      },
    };
  };
  // Stopped well before what counts as too long here.
  const parquet = new ParquetThread({ seconds: 0.3, megabytes: 64 });
  const targets: Target[] = [
    {
      name: "onnx",
      sound: onnxFiles,
      read: (bytes) => readOnnx(bytes, "fuzz.onnx"),
      isRefusal: isUserError,
    },
    {
      name: "fields of onnx",
      sound: onnxFiles,
      spoil: (seed, number) => mutateOnnx(onnxFiles, seed, number),
      read: (bytes) => readOnnx(bytes, "fuzz.onnx"),
      isRefusal: isUserError,
    },
    {
      name: "safetensors",
      sound: [
        encodeSafetensors(
          new Map([
            ["a", tensor([2, 3])],
            ["b.c", tensor([4])],
          ]),
        ),
      ],
      read: (bytes) => decodeSafetensors(bytes, "fuzz.safetensors"),
      isRefusal: isUserError,
    },
    externalTarget(folder),
    ...(await checkpointTargets(folder, network)),
    ...(await imageTargets()),
    ...idxTargets(folder),
    fileTarget("cifar", "data_batch_1.bin", [cifarBytes()], (path) =>
      readCifar(join(path, ".."), {
        ...{ ...cifar10Layout, trainFiles: ["data_batch_1.bin"], testFiles: ["data_batch_1.bin"] },
        ...{ trainRecords: 2, testRecords: 2 },
      }),
    ),
    fileTarget(
      "csv",
      "labels.csv",
      [Buffer.from('path,label,split\na.png,cat,train\n"b,1.png","do""g",test\n')],
      listCsv,
    ),
    fileTarget("parquet", "images.parquet", parquetFiles(), (path) =>
      parquet.read({ path, hasSeveral: false }, () => undefined),
    ),
  ];
  const dispose = async (): Promise<void> => {
    await parquet.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { targets, dispose };
}

/** Plain and compressed, numbers and names for labels, one row group and several. */
function parquetFiles(): Uint8Array[] {
  const images = Array.from({ length: 12 }, (_, at) => new Uint8Array(20 + at).fill(at));
  const numbers = images.map((_, at) => at % 3);
  return [
    parquetWriteBuffer({
      columnData: [
        { name: "image", data: images, type: "BYTE_ARRAY" },
        { name: "label", data: numbers, type: "INT32" },
      ],
      rowGroupSize: 5,
    }),
    parquetWriteBuffer({
      columnData: [
        { name: "image", data: images, type: "BYTE_ARRAY" },
        { name: "label", data: numbers.map((number) => `class ${number}`), type: "STRING" },
      ],
      codec: "UNCOMPRESSED",
    }),
  ].map((bytes) => new Uint8Array(bytes));
}

/** A file whose weights lie beside it; what is spoilt are the places and lengths it names, too. */
function externalTarget(folder: string): Target {
  const place = join(folder, "external");
  mkdirSync(place);
  writeFileSync(join(place, "external.data"), onnxFixture("external.data"));
  const path = join(place, "external.onnx");
  return {
    ...{ name: "external data", sound: [onnxFixture("external.onnx")], isRefusal: isUserError },
    read: (bytes) => {
      writeFileSync(path, bytes);
      return loadOnnx(path);
    },
  };
}

/**
 * Each of a checkpoint's files spoilt on its own; the others are sound. Digests refuse nearly all of them, so each is
 * read a second time with digests that fit it.
 */
async function checkpointTargets(folder: string, network: Parameters<typeof writeOnnx>[0]): Promise<Target[]> {
  const run = join(folder, "run");
  mkdirSync(join(run, "checkpoints"), { recursive: true });
  await writeCheckpoint(run, {
    progress: {
      step: 3,
      sums: { steps: 1, loss: 2, correct: 3, milliseconds: 4 },
      choices: { training: { a: "b" }, evaluation: {} },
      cuts: [],
    },
    network,
    hooks: { budget: { gamma: 0.5 } },
    optimizer: { velocity: new Map([["stem.conv.weights", tensor([2])]]), held: new Map(), margin: new Map() },
  });
  const statePath = join(run, checkpointPath(3), "state.json");
  const sound = readFileSync(statePath);
  return ["state.json", "network.onnx", "optimizer.safetensors"].map((file) => {
    const path = join(run, checkpointPath(3), file);
    const whole = readFileSync(path);
    return {
      name: `checkpoint ${file}`,
      sound: [whole],
      isRefusal: isUserError,
      read: async (bytes) => {
        writeFileSync(path, bytes);
        try {
          await readCheckpoint(run, 3).catch((error: unknown) => {
            if (!isUserError(error)) throw error;
          });
          writeFileSync(statePath, fittingState(file, bytes, sound));
          return await readCheckpoint(run, 3);
        } finally {
          writeFileSync(path, whole);
          writeFileSync(statePath, sound);
        }
      },
    };
  });
}

/** The state of a checkpoint with the digest of `bytes` as its `file`; of a spoilt state, as far as it is one. */
function fittingState(file: string, bytes: Buffer, sound: Buffer): string | Buffer {
  const digest = (content: string | Buffer): string => createHash("sha256").update(content).digest("hex");
  const { body } = stateSchema.parse(JSON.parse(sound.toString()));
  if (file === "state.json") {
    try {
      const { body: spoilt } = stateSchema.parse(JSON.parse(bytes.toString()));
      return JSON.stringify({ body: spoilt, sha256: digest(JSON.stringify(spoilt)) });
    } catch {
      return bytes;
    }
  }
  const digests = z.record(z.string(), z.string()).parse(body["sha256"]);
  const fitting = { ...body, sha256: { ...digests, [file]: digest(bytes) } };
  return JSON.stringify({ body: fitting, sha256: digest(JSON.stringify(fitting)) });
}

async function imageTargets(): Promise<Target[]> {
  const fixtures = join(import.meta.dirname, "..", "data", "images", "fixtures");
  const fixture = (name: string): Buffer => readFileSync(join(fixtures, name));
  const noise = Buffer.from(Uint8Array.from({ length: 40 * 30 * 3 }, (_, at) => (at * 7919) % 251));
  const drawn = sharp(noise, { raw: { width: 40, height: 30, channels: 3 } });
  const sound = {
    png: [fixture("plain.png"), fixture("palette.png"), fixture("sixteen-bits.png"), await drawn.png().toBuffer()],
    jpeg: [fixture("plain.jpg"), fixture("cmyk.jpg"), fixture("orientation-6.jpg"), await drawn.jpeg().toBuffer()],
    webp: [fixture("plain.webp"), fixture("animated.webp"), await drawn.webp().toBuffer()],
    gif: [fixture("animated.gif"), await drawn.gif().toBuffer()],
    tiff: [fixture("plain.tiff"), fixture("sixteen-bits.tiff"), fixture("cmyk.tiff")],
    avif: [fixture("plain.avif")],
    bmp: [fixture("plain.bmp"), fixture("palette.bmp"), fixture("thirty-two-bits.bmp"), fixture("one-bit.bmp")],
  };
  return Object.entries(sound).map(([name, files]) => ({
    name,
    sound: files,
    read: (bytes) => decodeBytes(bytes, [3, 16, 32], (size) => centreView(size, { width: 32, height: 16 }, 1)),
    isRefusal: (error) => error instanceof Error && !(error instanceof TypeError || error instanceof RangeError),
  }));
}

function idxTargets(folder: string): Target[] {
  const place = join(folder, "idx");
  mkdirSync(place);
  const header = (magic: number, ...dimensions: readonly number[]): Buffer => {
    const bytes = Buffer.alloc(4 + 4 * dimensions.length);
    for (const [index, value] of [magic, ...dimensions].entries()) bytes.writeUInt32BE(value, 4 * index);
    return bytes;
  };
  const images = Buffer.concat([header(0x803, 3, 4, 5), Buffer.alloc(60, 9)]);
  const labels = Buffer.concat([header(0x801, 3), Buffer.from([0, 1, 2])]);
  for (const part of ["train", "t10k"]) {
    writeFileSync(join(place, `${part}-images-idx3-ubyte`), images);
    writeFileSync(join(place, `${part}-labels-idx1-ubyte`), labels);
  }
  return [
    ["idx images", "train-images-idx3-ubyte", images],
    ["idx labels", "t10k-labels-idx1-ubyte", labels],
  ].map(([name, file, sound]): Target => {
    const path = join(place, String(file));
    return {
      ...{ name: String(name), sound: [sound as Buffer], isRefusal: isUserError },
      read: async (bytes) => {
        writeFileSync(path, bytes);
        try {
          return await readIdx(place, 10, "");
        } finally {
          writeFileSync(path, sound as Buffer);
        }
      },
    };
  });
}

function cifarBytes(): Uint8Array {
  const record = (label: number): Buffer => Buffer.concat([Buffer.from([label]), Buffer.alloc(3072, 50 * label)]);
  return Buffer.concat([record(1), record(2)]);
}

/** What is wrong with how `target` took one spoilt file. */
export interface Finding {
  readonly target: string;
  readonly seed: number;
  readonly number: number;
  readonly what: string;
}

/** Processor time that one input may take, in milliseconds: files are small, but a machine may be busy. */
const LONGEST = 2000;

/** Reads input `number` of `target`; undefined if it was read, or refused as it should be, in time. */
export async function tryInput(target: Target, seed: number, number: number): Promise<Finding | undefined> {
  const bytes = target.spoil?.(seed, number) ?? mutate(target.sound, seed, target.name, number);
  const finding = (what: string): Finding => ({ target: target.name, seed, number, what });
  const start = process.cpuUsage();
  try {
    await target.read(bytes);
  } catch (error) {
    if (!target.isRefusal(error)) {
      return finding(error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` : String(error));
    }
  }
  const { user, system } = process.cpuUsage(start);
  const milliseconds = (user + system) / 1000;
  return milliseconds > LONGEST ? finding(`it took ${Math.round(milliseconds)} ms`) : undefined;
}
