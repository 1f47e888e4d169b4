/**
 * ONNX Runtime in a thread of its own, because its runs block the calling thread: for seconds with a batch of a large
 * network. Each classifier and each measurement has its own thread.
 */
import { optional } from "../core/optional.ts";
import { Requests } from "../core/requests.ts";
import { spawnWorker } from "../core/worker.ts";
import type { Classifier } from "./classifier.ts";
import type { Latency } from "./latency.ts";
import type { RuntimeOptions } from "./onnx-runtime.ts";
import type { PlainLatencyOptions, RuntimeCalls } from "./runtime-worker.ts";

function startThread(): Requests<RuntimeCalls> {
  return new Requests(spawnWorker(import.meta.url, "runtime-worker"), "the thread of ONNX Runtime");
}

/**
 * A network's file in ONNX Runtime as a classifier. Its first output must be the logits. Rejects with the errors of
 * `openRuntime`.
 */
export async function runtimeClassifier(
  path: string,
  batch: number,
  options: RuntimeOptions = {},
): Promise<Classifier> {
  const thread = startThread();
  try {
    await thread.call("open", { path, options });
  } catch (error) {
    await thread.stop();
    throw error;
  }
  return {
    batch,
    logits: (images, inputs) => thread.call("logits", { images, ...optional({ inputs }) }),
    dispose: () => thread.stop(),
  };
}

/** `measureLatency` in a thread of its own. */
export async function measureLatencyAside(
  paths: readonly string[],
  options: PlainLatencyOptions = {},
): Promise<readonly Latency[]> {
  const thread = startThread();
  try {
    return await thread.call("latencies", { paths, options });
  } finally {
    await thread.stop();
  }
}
