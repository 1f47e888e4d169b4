/**
 * How long a file takes in ONNX Runtime. Several files are timed in turns, round by round, so that a machine that speeds up or slows
 * down in between does so for all of them.
 */
import { performance } from "node:perf_hooks";
import { required, UserError } from "../core/errors.ts";
import { RandomStream } from "../core/random.ts";
import { elementCount, type Tensor, tensor } from "../core/tensor.ts";
import { openRuntime, type RuntimeSession } from "./onnx-runtime.ts";

export interface LatencyOptions {
  /** Images a run; default 1. */
  readonly batch?: number;
  /** Threads of a run; default 1. */
  readonly threads?: number;
  /** Timed rounds: one run of each file a round; default 50. */
  readonly rounds?: number;
  /** Untimed rounds before them; default 5. */
  readonly warmUp?: number;
}

export interface Latency {
  readonly file: string;
  /** Milliseconds a run: the median, and the quartiles around it as its spread. */
  readonly median: number;
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
  readonly batch: number;
  readonly threads: number;
  readonly rounds: number;
}

/**
 * Latencies of the ONNX files at `paths`, in their order. Throws `UserError`: "bad-option" on an option that is no whole number, and
 * what `openRuntime` throws.
 */
export async function measureLatency(
  paths: readonly string[],
  { batch = 1, threads = 1, rounds = 50, warmUp = 5 }: LatencyOptions = {},
): Promise<readonly Latency[]> {
  for (const [option, value] of Object.entries({ batch, threads, rounds, "warm-up + 1": warmUp + 1 })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new UserError("bad-option", `${option} must be a whole number from 1`, { received: `${value}` });
  }
  const sessions: RuntimeSession[] = [];
  try {
    for (const path of paths) sessions.push(await openRuntime(path, path, { threads }));
    const images = sessions.map((session) => imagesFor(session, batch));
    const times = paths.map((): number[] => []);
    for (let round = -warmUp; round < rounds; round++) {
      for (const [index, session] of sessions.entries()) {
        const start = performance.now();
        await session.run(required(images[index], "images"));
        if (round >= 0) times[index]?.push(performance.now() - start);
      }
    }
    return paths.map((file, index) => {
      const sorted = required(times[index], "times").toSorted((a, b) => a - b);
      return {
        file,
        median: quantile(sorted, 0.5),
        lowerQuartile: quantile(sorted, 0.25),
        upperQuartile: quantile(sorted, 0.75),
        batch,
        threads,
        rounds,
      };
    });
  } finally {
    for (const session of sessions) await session.dispose();
  }
}

/** Normally distributed values of the input's shape; its first dimension is the batch, where the file leaves that open. */
function imagesFor({ input }: RuntimeSession, batch: number): Tensor {
  const shape = input.shape.map((size, axis) => {
    if (typeof size === "number") return size;
    if (axis === 0) return batch;
    throw new UserError("unsupported", `axis ${axis} of the input has no fixed size`, {
      about: `input "${input.name}"`,
    });
  });
  const random = new RandomStream(0, "latency");
  return tensor(
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
  );
}

/** Value below which a share `q` of the `sorted` values lies, interpolated between neighbours. */
export function quantile(sorted: readonly number[], q: number): number {
  const position = q * (sorted.length - 1);
  const below = required(sorted[Math.floor(position)], "values to take a quantile of");
  const above = sorted[Math.ceil(position)] ?? below;
  return below + (above - below) * (position - Math.floor(position));
}
