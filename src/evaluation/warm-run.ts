/**
 * Times a run of a network as one of many in a row. Files that are timed in turns take the caches from each other, and
 * one run does not bring all weights back: a cache of the third level only takes in what the second one drops.
 */
import { performance } from "node:perf_hooks";
import type { InferenceSession } from "onnxruntime-node";
import { runSession } from "./onnx-runtime.ts";

/** Untimed runs before a timed one. The time of a MobileNetV2 of 9 MB falls by a third over as many. */
const WARMING_RUNS = 5;
/** Milliseconds after which no more of them start. Weights that need longer do not stay in the caches. */
const WARMING_TIME = 20;

/** Milliseconds of a run of `session` when its weights are in the caches. Throws the errors of `runSession`. */
export async function timeWarmRun(
  session: InferenceSession,
  feeds: InferenceSession.FeedsType,
  name: string,
): Promise<number> {
  const begin = performance.now();
  let start = begin;
  for (let run = 0; run < WARMING_RUNS && (run === 0 || start - begin < WARMING_TIME); run++) {
    await runSession(session, feeds, name);
    start = performance.now();
  }
  await runSession(session, feeds, name);
  return performance.now() - start;
}
