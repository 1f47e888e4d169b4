/**
 * A worker that runs networks in ONNX Runtime, so that the page stays responsive.
 */
import type * as Ort from "onnxruntime-web";
import { runtimeOf } from "./runtime.ts";
import type { NetworkRole, TryAnswer, TryRequest } from "./try-protocol.ts";

const WARM_UPS = 5;

const sessions = new Map<NetworkRole, { readonly ort: typeof Ort; readonly session: Ort.InferenceSession }>();

async function load({ role, address, backend }: Extract<TryRequest, { kind: "load" }>): Promise<number> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: the server answered ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const ort = await runtimeOf(backend);
  await sessions.get(role)?.session.release();
  sessions.delete(role);
  const session = await ort.InferenceSession.create(bytes, { executionProviders: [backend] });
  sessions.set(role, { ort, session });
  return bytes.byteLength;
}

async function run({
  role,
  input,
  shape,
}: Pick<Extract<TryRequest, { kind: "run" }>, "role" | "input" | "shape">): Promise<Float32Array> {
  const loaded = sessions.get(role);
  if (loaded === undefined) throw new Error("the network is not loaded");
  const { ort, session } = loaded;
  const [inputName = ""] = session.inputNames;
  const [outputName = ""] = session.outputNames;
  const results = await session.run({ [inputName]: new ort.Tensor("float32", input, [1, ...shape]) });
  const data = await results[outputName]?.getData();
  if (!(data instanceof Float32Array)) throw new Error("the output of the network is not a float32 tensor");
  return data;
}

async function time(request: Extract<TryRequest, { kind: "time" }>): Promise<number[]> {
  const taken: number[] = [];
  for (let count = -WARM_UPS; count < request.runs; count++) {
    const start = performance.now();
    await run(request);
    if (count >= 0) taken.push(performance.now() - start);
  }
  return taken;
}

async function answer(request: TryRequest): Promise<TryAnswer> {
  const { id, kind } = request;
  try {
    if (kind === "load") return { id, bytes: await load(request) };
    if (kind === "run") return { id, logits: Float32Array.from(await run(request)) };
    return { id, milliseconds: await time(request) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

// Handle requests one after the other: networks that run at the same time would slow each other down.
let last: Promise<void> = Promise.resolve();
addEventListener("message", ({ data }: MessageEvent<TryRequest>) => {
  last = last.then(async () => postMessage(await answer(data)));
});
