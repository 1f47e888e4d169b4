/** The worker of `runtime-thread.ts`. */
import { parentPort } from "node:worker_threads";
import { required } from "../core/errors.ts";
import { answerRequests } from "../core/requests.ts";
import type { Tensor } from "../core/tensor.ts";
import type { BatchInputs } from "../data/inputs.ts";
import { inRows } from "./classifier.ts";
import { type Latency, type LatencyOptions, measureLatency } from "./latency.ts";
import { openRuntime, type RuntimeOptions, type RuntimeSession } from "./onnx-runtime.ts";

/** The options that can be sent to another thread. */
export type PlainLatencyOptions = Omit<LatencyOptions, "onRound">;

export interface RuntimeCalls {
  /** Must come before `logits`. */
  open: { request: { readonly path: string; readonly options: RuntimeOptions }; response: undefined };
  logits: { request: { readonly images: Tensor; readonly inputs?: BatchInputs }; response: Tensor };
  latencies: {
    request: { readonly paths: readonly string[]; readonly options: PlainLatencyOptions };
    response: readonly Latency[];
  };
  stop: { request: undefined; response: undefined };
}

let session: RuntimeSession | undefined;
let givesRows = false;

answerRequests<RuntimeCalls>(required(parentPort, "the port of a worker thread"), {
  open: async ({ path, options }) => {
    session = await openRuntime(path, path, options);
    givesRows = options.inRows === true;
    return undefined;
  },
  logits: async ({ images, inputs }) => {
    const { run, outputs } = required(session, "an open session");
    const results = await run(images, inputs);
    if (!givesRows) return required(results.get(outputs[0] ?? ""), "the logits");
    return inRows(outputs.map((name) => required(results.get(name), `output "${name}"`)));
  },
  latencies: ({ paths, options }) => measureLatency(paths, options),
  stop: async () => {
    await session?.dispose();
    return undefined;
  },
});
