/** The command line as a child process, and a network and data small enough for it to train in seconds. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Writable } from "node:stream";
import { execa } from "execa";
import { execute as run } from "../../src/cli/execute.ts";
import { Interruption } from "../../src/cli/interruption.ts";
import { type Terminal, terminalOf } from "../../src/cli/terminal.ts";
import { RandomStream } from "../../src/core/random.ts";
import { saveOnnx } from "../../src/formats/onnx/index.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { initialize } from "../../src/models/initialize.ts";

const main = resolve("src/cli/main.ts");
const loader = ["--import", resolve("node_modules/tsx/dist/loader.mjs")];

/** Starts `espalier …` in `folder`, with `environment` beside this process's; awaiting it never rejects. */
export function start(
  arguments_: readonly string[],
  folder: string = process.cwd(),
  environment: Readonly<Record<string, string>> = {},
) {
  return execa("node", [...loader, main, ...arguments_], {
    reject: false,
    stdin: "ignore",
    env: { NO_COLOR: "1", CI: "true", ...environment },
    cwd: folder,
  });
}

export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `espalier …` to its end, in a process of its own. */
export async function espalier(arguments_: readonly string[], folder?: string): Promise<Finished> {
  const { exitCode, stdout, stderr } = await start(arguments_, folder);
  return { exitCode: exitCode ?? -1, stdout, stderr };
}

/** A terminal that keeps what is written to it. */
export function recordingTerminal({
  columns = 80,
  isTerminal = false,
  environment = { NO_COLOR: "1" },
}: {
  readonly columns?: number;
  readonly isTerminal?: boolean;
  readonly environment?: Parameters<typeof terminalOf>[1];
} = {}): { readonly terminal: Terminal; text(): string } {
  const chunks: string[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk.toString());
      done();
    },
  });
  const stream = Object.assign(sink, { isTTY: isTerminal, columns, rows: 40 });
  return { terminal: terminalOf(stream, environment), text: () => chunks.join("") };
}

/** Runs `espalier …` in this process: quicker, for what needs no process of its own. */
export async function execute(arguments_: readonly string[]): Promise<Finished> {
  const stdout = recordingTerminal();
  const stderr = recordingTerminal();
  const context = { stdout: stdout.terminal, stderr: stderr.terminal, interruption: new Interruption() };
  const exitCode = await run(arguments_, context);
  return { exitCode, stdout: stdout.text(), stderr: stderr.text() };
}

const CLASSES = 3;
const SIZE = 8;

/** Bytes of an idx file: magic number, dimensions, values. */
function idx(dimensions: readonly number[], values: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.writeUInt32BE(0x0800 + dimensions.length);
  dimensions.forEach((dimension, index) => {
    header.writeUInt32BE(dimension, 4 + 4 * index);
  });
  return Buffer.concat([header, values]);
}

/** Grey noise of `SIZE` × `SIZE` whose class is where it is bright: nowhere, on the left, on the right. */
async function writeSplit(folder: string, part: "train" | "t10k", count: number): Promise<void> {
  const labels = Uint8Array.from({ length: count }, (_, image) => image % CLASSES);
  const images = new Uint8Array(count * SIZE * SIZE);
  const random = new RandomStream(part === "train" ? 1 : 2, "images");
  for (let at = 0; at < images.length; at++) {
    const label = labels[Math.floor(at / (SIZE * SIZE))];
    const isLeft = at % SIZE < SIZE / 2;
    images[at] = random.integer(120) + ((label === 1 && isLeft) || (label === 2 && !isLeft) ? 110 : 0);
  }
  await writeFile(join(folder, `${part}-images-idx3-ubyte`), idx([count, SIZE, SIZE], images));
  await writeFile(join(folder, `${part}-labels-idx1-ubyte`), idx([count], labels));
}

/** A stem and a residual block of 4 channels, for images of `channels` channels. */
function tinyNetwork(channels: number): Parameters<typeof saveOnnx>[0] {
  const builder = new GraphBuilder("tiny");
  const images = builder.input("images", ["N", channels, SIZE, SIZE]);
  const convolved = builder.convolution("stem.conv", images, { channels: 4, kernel: 3, padding: 1 });
  const stem = builder.relu("stem.relu", builder.batchNormalization("stem.norm", convolved));
  let branch = builder.convolution("block.conv1", stem, { channels: 4, kernel: 3, padding: 1 });
  branch = builder.relu("block.relu1", builder.batchNormalization("block.norm1", branch));
  branch = builder.convolution("block.conv2", branch, { channels: 4, kernel: 3, padding: 1 });
  branch = builder.batchNormalization("block.norm2", branch);
  const stream = builder.relu("block.relu2", builder.add("block.add", branch, stem));
  const pooled = builder.flatten("flatten", builder.globalAveragePooling("pool", stream));
  builder.output(builder.linear("classifier", pooled, CLASSES));
  const graph = builder.build();
  return { graph, weights: initialize(graph, 1) };
}

/**
 * A folder with `data/` (idx files: 96 training and 40 test images) and `tiny.onnx`, which takes them unless it is made
 * for other channels.
 */
export async function tinyWorkplace({ channels = 1 }: { readonly channels?: number } = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "espalier-cli-"));
  const data = await mkdtemp(join(folder, "data-"));
  await writeSplit(data, "train", 96);
  await writeSplit(data, "t10k", 40);
  // Grey noise has a mean of its own; of colours the tests say themselves how they are shown.
  const normalization = JSON.stringify({ mean: [0.37], standardDeviation: [0.22], of: "pixel / 255" });
  const metadata = channels === 1 ? { normalization } : {};
  await saveOnnx(tinyNetwork(channels), join(folder, "tiny.onnx"), { metadata });
  return folder;
}
