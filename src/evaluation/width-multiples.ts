/**
 * Finds the multiple at which to keep the widths of layers. ONNX Runtime computes channels in blocks of a vector, so a
 * layer of 33 channels may take as long as one of 48. Single convolutions of every width in a range are timed on this
 * machine.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import type { InferenceSession } from "onnxruntime-node";
import { z } from "zod";
import { required } from "../core/errors.ts";
import { quantile } from "../core/quantile.ts";
import { elementCount } from "../core/tensor.ts";
import { writeBytes } from "../formats/file.ts";
import { writeOnnx } from "../formats/onnx/write.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { initialize } from "../models/initialize.ts";
import { loadSession, runSession } from "./onnx-runtime.ts";
import { onnxRuntime, onnxRuntimeVersion } from "./runtime-library.ts";

/** Multiples to choose from. */
export const widthMultiples = [1, 2, 4, 8, 16, 32] as const;

export interface WidthOptions {
  /** Number of threads; default 1. */
  readonly threads?: number;
  /** Largest width measured; default 64. */
  readonly widest?: number;
  /** Height and width of the layer's images; default 16. */
  readonly pixels?: number;
  /** Timed rounds over all widths; default 15. */
  readonly rounds?: number;
  /** Called at the start of each round. */
  readonly onRound?: (round: number, rounds: number) => void;
}

export interface WidthTimes {
  /** Median milliseconds of a 3 × 3 convolution of `index` + 1 channels in and out. */
  readonly milliseconds: readonly number[];
  /** For each multiple: time of layers of all widths rounded up to it, relative to the widths without rounding. */
  readonly relative: readonly { readonly multiple: number; readonly time: number }[];
  /** The multiple to keep widths at. */
  readonly multiple: number;
}

/** A multiple may take this much more time than the best one. */
const TOLERANCE = 1.03;

/**
 * The multiple to keep widths at, from the time of each width 1 … n: the largest multiple whose rounded-up layers take
 * no longer than those of the best multiple. Smaller multiples remove channels but save no time.
 */
export function judgeWidths(milliseconds: readonly number[]): WidthTimes {
  const widths = milliseconds.map((_, index) => index + 1);
  const timeOf = (width: number): number => required(milliseconds[width - 1], `time of width ${width}`);
  const relative = widthMultiples
    // The last widths cannot be rounded up.
    .filter((multiple) => multiple <= milliseconds.length)
    .map((multiple) => {
      const whole = Math.floor(milliseconds.length / multiple) * multiple;
      const sum = (round: (width: number) => number): number =>
        widths.slice(0, whole).reduce((total, width) => total + timeOf(round(width)), 0);
      return { multiple, time: sum((width) => Math.ceil(width / multiple) * multiple) / sum((width) => width) };
    });
  const best = Math.min(...relative.map(({ time }) => time));
  const chosen = relative.filter(({ time }) => time <= best * TOLERANCE).at(-1);
  return { milliseconds, relative, multiple: required(chosen, "a multiple").multiple };
}

/** Times all widths, in turns; errors as of `loadSession`. */
export async function measureWidths({
  threads = 1,
  widest = 64,
  pixels = 16,
  rounds = 15,
  onRound = () => {},
}: WidthOptions = {}): Promise<WidthTimes> {
  const sessions: { readonly session: InferenceSession; readonly feeds: InferenceSession.FeedsType }[] = [];
  try {
    for (let width = 1; width <= widest; width++) sessions.push(await layerOf(width, pixels, threads));
    const times = sessions.map((): number[] => []);
    for (let round = -2; round < rounds; round++) {
      onRound(round, rounds);
      for (const [index, { session, feeds }] of sessions.entries()) {
        const start = performance.now();
        await runSession(session, feeds, "a convolution");
        if (round >= 0) times[index]?.push(performance.now() - start);
      }
    }
    return judgeWidths(
      times.map((samples) =>
        quantile(
          samples.toSorted((a, b) => a - b),
          0.5,
        ),
      ),
    );
  } finally {
    for (const { session } of sessions) await session.release();
  }
}

/** Three convolutions of `width` channels, so that what ONNX Runtime does once at the ends counts less. */
async function layerOf(
  width: number,
  pixels: number,
  threads: number,
): Promise<{ readonly session: InferenceSession; readonly feeds: InferenceSession.FeedsType }> {
  const builder = new GraphBuilder(`width-${width}`);
  let value = builder.input("images", ["N", width, pixels, pixels]);
  for (let layer = 0; layer < 3; layer++) {
    value = builder.convolution(`layer${layer}`, value, { channels: width, kernel: 3, padding: 1 });
    value = builder.relu(`layer${layer}.relu`, value);
  }
  builder.output(value);
  const graph = builder.build();
  const bytes = writeOnnx({ graph, weights: initialize(graph, 1) });
  const shape = [1, width, pixels, pixels];
  const { Tensor } = onnxRuntime();
  const images = new Tensor("float32", new Float32Array(elementCount(shape)).fill(0.5), shape);
  return { session: await loadSession(bytes, `width-${width}`, { threads }), feeds: { images } };
}

const cacheSchema = z.object({ version: z.literal(1), milliseconds: z.array(z.number().positive()).min(1) });

/** The result of `measureWidths` on this machine; cached in `folder`. */
export async function knownWidths(folder: string, options: WidthOptions = {}): Promise<WidthTimes> {
  const identity = [onnxRuntimeVersion(), cpus()[0]?.model, options.threads ?? 1, options.widest ?? 64];
  const hash = createHash("sha256").update(JSON.stringify(identity)).digest("hex").slice(0, 16);
  const path = join(folder, `widths-${hash}.json`);
  const found = await readFile(path, "utf8").then(
    (text) => parseCache(text),
    () => undefined,
  );
  if (found !== undefined) return judgeWidths(found);
  const measured = await measureWidths(options);
  await mkdir(dirname(path), { recursive: true });
  await writeBytes(path, Buffer.from(JSON.stringify({ version: 1, milliseconds: measured.milliseconds })));
  return measured;
}

/** Reads cached times; undefined if the file is damaged. */
function parseCache(text: string): readonly number[] | undefined {
  try {
    return cacheSchema.parse(JSON.parse(text)).milliseconds;
  } catch {
    return undefined;
  }
}
