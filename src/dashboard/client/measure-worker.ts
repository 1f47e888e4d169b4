/** A worker that times the networks of a plan in ONNX Runtime, one after the other. */
import type * as Ort from "onnxruntime-web";
import { type TimedFile, timedSessionOptions } from "../../latency/timing-plan.ts";
import { type Timing, timeLayer, timeNetwork } from "../timing.ts";
import type { TimingAnswer, TimingRequest } from "./measure-protocol.ts";
import { runtimeOf } from "./runtime.ts";
import type { Backend } from "./try-protocol.ts";

interface Loaded {
  readonly run: () => Promise<void>;
  readonly release: () => Promise<void>;
}

async function load(ort: typeof Ort, backend: Backend, { file, inputs }: TimedFile): Promise<Loaded> {
  const bytes = Uint8Array.from(atob(file), (character) => character.charCodeAt(0));
  const session = await ort.InferenceSession.create(bytes, { ...timedSessionOptions, executionProviders: [backend] });
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => {
      const values = new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(0.5);
      return [name, new ort.Tensor("float32", values, shape)];
    }),
  );
  // One output is enough. The others are computed too, and not copied.
  const fetches = session.outputNames.slice(0, 1);
  return {
    run: async () => {
      const results = await session.run(feeds, fetches);
      for (const result of Object.values(results)) result.dispose();
    },
    release: () => session.release(),
  };
}

async function time({ backend, one, many }: TimingRequest): Promise<Timing> {
  const ort = await runtimeOf(backend);
  const now = (): number => performance.now();
  const loaded: Loaded[] = [];
  try {
    const first = await load(ort, backend, one);
    loaded.push(first);
    if (many === undefined) return await timeNetwork(first.run, now);
    const second = await load(ort, backend, many.file);
    loaded.push(second);
    return await timeLayer(first.run, second.run, many.copies, now);
  } finally {
    for (const { release } of loaded) await release();
  }
}

async function answer(request: TimingRequest): Promise<TimingAnswer> {
  try {
    const timing = await time(request);
    const { versions } = (await runtimeOf(request.backend)).env;
    return { timing, version: versions.web ?? versions.common };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

addEventListener("message", ({ data }: MessageEvent<TimingRequest>) => {
  void answer(data).then((made) => postMessage(made));
});
