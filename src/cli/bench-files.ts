/** `espalier bench` without `--step`: times one or two networks in ONNX Runtime, and counts their costs. */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { optional } from "../core/optional.ts";
import { fileFacts } from "../evaluation/file-facts.ts";
import { type Latency, measureLatency } from "../evaluation/latency.ts";
import { loadSession } from "../evaluation/onnx-runtime.ts";
import { hasFreeBatch } from "../evaluation/random-feeds.ts";
import { onnxRuntimeVersion } from "../evaluation/runtime-library.ts";
import { profileFile } from "../evaluation/runtime-profile.ts";
import { saveOnnx } from "../formats/onnx/index.ts";
import { initialize } from "../models/initialize.ts";
import { type CommonOptions, type Context, printJson, printNotice } from "./context.ts";
import { unusedSizeNotesOf } from "./fixed-size.ts";
import { isFile, openNetwork } from "./network.ts";
import { type FileBench, fileBenchLines, type TimedFile } from "./view/file-bench.ts";
import { type ShowStatus, withStatusLine } from "./view/status-line.ts";

export interface FileBenchOptions extends CommonOptions {
  readonly against?: string;
  readonly batch?: number;
  readonly threads?: number;
  readonly runs?: number;
  readonly perLayer?: true;
  readonly size?: readonly [number, number];
}

/** Default of the larger batch size. */
const BATCH = 32;
const RUNS = 50;
const LAYER_RUNS = 20;

/** The file of the network that `source` names. A model of the zoo is written into `folder` with random weights. */
async function fileOf(source: string, folder: string): Promise<string> {
  if (isFile(source)) return source;
  const { graph } = await openNetwork(source);
  const path = join(folder, `${source}.onnx`);
  await saveOnnx({ graph, weights: initialize(graph, 1) }, path);
  return path;
}

/** Whether the file at `path` takes batches of any size, and the shapes of its inputs. */
async function inputsOf(
  path: string,
): Promise<{ takesBatches: boolean; shapes: readonly (readonly (number | string)[])[] }> {
  const session = await loadSession(path, path);
  const shapes = session.inputMetadata.flatMap((input) => (input.isTensor ? [input.shape] : []));
  const takesBatches = hasFreeBatch(session);
  await session.release();
  return { takesBatches, shapes };
}

async function measure(source: string, options: FileBenchOptions, show: ShowStatus): Promise<FileBench> {
  const { against, threads, runs = RUNS, perLayer = false } = options;
  const size = optional({ size: options.size });
  const folder = await mkdtemp(join(tmpdir(), "espalier-bench-"));
  try {
    const names = against === undefined ? [source] : [source, against];
    const files: TimedFile[] = [];
    const paths: string[] = [];
    for (const name of names) {
      show(`count ${name}`, `counting the MACs and parameters of ${basename(name)}`);
      const path = await fileOf(name, folder);
      paths.push(path);
      const { file: _, ...facts } = await fileFacts(path, options.size);
      const layers = perLayer ? await profileFile(path, { runs: LAYER_RUNS, batch: 1, ...size }) : [];
      files.push({ name, ...facts, layers });
    }
    const fixed: string[] = [];
    const notices: string[] = [];
    for (const [index, path] of paths.entries()) {
      const name = names[index] ?? path;
      const { takesBatches, shapes } = await inputsOf(path);
      if (!takesBatches) fixed.push(name);
      notices.push(...unusedSizeNotesOf(name, shapes, options.size));
    }
    // If the user gives a batch size that a file cannot take, the measurement throws the error.
    const batches = fixed.length > 0 && options.batch === undefined ? [1] : [...new Set([1, options.batch ?? BATCH])];
    const latencies: (readonly Omit<Latency, "file">[])[] = [];
    for (const batch of batches) {
      for (const count of new Set([1, threads ?? availableParallelism()])) {
        const what = `timing batch size ${batch} with ${count === 1 ? "1 thread" : `${count} threads`}`;
        const measured = await measureLatency(paths, {
          ...{ batch, threads: count, rounds: runs, ...size },
          onRound: (round) => show(what, round < 0 ? `${what}: warming up` : `${what}: round ${round + 1} of ${runs}`),
        });
        latencies.push(measured.map(({ file: _, ...latency }) => latency));
      }
    }
    return {
      files,
      latencies,
      notices: [...notices, ...fixed.map((name) => `${name} has a fixed batch size, so larger batches are not timed`)],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Times the network that `source` names and the one of `--against`, and prints the result. */
export async function benchFiles(context: Context, source: string, options: FileBenchOptions): Promise<void> {
  const result = await withStatusLine(context, (show) => measure(source, options, show));
  if (options.json === true) {
    const { files, latencies, notices } = result;
    const shown = files.map(({ layers, ...facts }) => (options.perLayer === true ? { ...facts, layers } : facts));
    return printJson(context, { onnxRuntime: onnxRuntimeVersion(), files: shown, latencies, notices });
  }
  for (const notice of result.notices) printNotice(context, notice);
  for (const line of fileBenchLines(result, onnxRuntimeVersion(), context.stdout)) context.stdout.print(line);
}
