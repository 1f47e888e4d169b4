/**
 * Measures the latency of ONNX files in ONNX Runtime. Several files are timed in turns, round by round, so that changes
 * in the machine's speed affect all of them.
 */

import type { InferenceSession } from "onnxruntime-node";
import { requireArguments } from "../core/arguments.ts";
import { required, UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { quantile } from "../core/quantile.ts";
import { loadSession } from "./onnx-runtime.ts";
import { hasFreeBatch, randomFeeds } from "./random-feeds.ts";
import { timeWarmRun } from "./warm-run.ts";

export interface LatencyOptions {
  /** Images in a run; default 1. */
  readonly batch?: number;
  /** Number of threads; default 1. */
  readonly threads?: number;
  /** Timed rounds. In each, every file runs up to six times in a row, and the last run counts; default 50. */
  readonly rounds?: number;
  /** Untimed rounds before them; default 5. */
  readonly warmUp?: number;
  /** Height and width of the images, for files in which they are not fixed. */
  readonly size?: readonly [number, number];
  /** Called at the start of each round; untimed rounds are negative. */
  readonly onRound?: (round: number) => void;
}

export interface Latency {
  readonly file: string;
  /** Milliseconds of a run: median and quartiles. */
  readonly median: number;
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
  readonly batch: number;
  readonly threads: number;
  readonly rounds: number;
}

/**
 * Latencies of the ONNX files at `paths`, in this order, of any tool. Throws `UserError("bad-option")` for an option
 * that is not a whole number or a batch that a file does not take, and the errors of `loadSession`.
 */
export async function measureLatency(
  paths: readonly string[],
  options: LatencyOptions = {},
): Promise<readonly Latency[]> {
  requireArguments("measureLatency", { paths: [paths, "texts"], options: [options, "object"] });
  const { batch = 1, threads = 1, rounds = 50, warmUp = 5, size, onRound = () => {} } = options;
  for (const [option, value] of Object.entries({ batch, threads, rounds, "warm-up + 1": warmUp + 1 })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new UserError("bad-option", `${option} must be a whole number from 1`, {
      received: `${value}`,
      hint: "Leave it out for the default",
    });
  }
  const sessions: InferenceSession[] = [];
  try {
    for (const path of paths) {
      const session = await loadSession(path, path, { threads });
      sessions.push(session);
      if (batch > 1) requireFreeBatch(session, path, batch);
    }
    const feeds = sessions.map((session, index) =>
      randomFeeds(session, paths[index] ?? "", { batch, ...optional({ size }) }),
    );
    const times = paths.map((): number[] => []);
    for (let round = -warmUp; round < rounds; round++) {
      onRound(round);
      for (const [index, session] of sessions.entries()) {
        const own = required(feeds[index], "feeds");
        const time = await timeWarmRun(session, own, paths[index] ?? "");
        if (round >= 0) times[index]?.push(time);
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
    for (const session of sessions) await session.release();
  }
}

function requireFreeBatch(session: InferenceSession, path: string, batch: number): void {
  if (hasFreeBatch(session)) return;
  throw new UserError("bad-option", `the file does not take batches of ${batch} images`, {
    about: path,
    hint: "Its first axis is fixed: export it with a dynamic batch, or use a batch of 1",
  });
}
