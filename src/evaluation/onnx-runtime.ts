/** ONNX Runtime, the second opinion: exported files are run by it to be checked and to be timed. */
import type { InferenceSession } from "onnxruntime-node";
import { required, UserError } from "../core/errors.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import { onnxRuntime } from "./runtime-library.ts";

export interface RuntimeOptions {
  /** Threads of one run; default 1. */
  readonly threads?: number;
  /** Whether the file takes its images with their channels last; `run` is given them with their channels first. */
  readonly channelsLast?: boolean;
}

export interface LoadOptions extends RuntimeOptions {
  /** False: the graph is run node by node as it stands in the file; default true. */
  readonly optimized?: boolean;
  /** Start of the path of the profile that the session writes. Default: none is written. */
  readonly profile?: string;
}

/** A file loaded by ONNX Runtime. Runs block the calling thread. */
export interface RuntimeSession {
  /** The file's input: its name and shape, symbolic dimensions by name. */
  readonly input: { readonly name: string; readonly shape: readonly (number | string)[] };
  readonly outputs: readonly string[];
  /** Values of all outputs for one batch of images, [N,C,H,W]. */
  run(images: Tensor): Promise<ReadonlyMap<string, Tensor>>;
  dispose(): Promise<void>;
}

/** Loads any ONNX file as ONNX Runtime has it; errors as of `openRuntime`. */
export async function loadSession(
  source: string | Uint8Array,
  name: string,
  { threads = 1, optimized = true, profile }: LoadOptions = {},
): Promise<InferenceSession> {
  const options: InferenceSession.SessionOptions = {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: optimized ? "all" : "disabled",
    ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
    // Its warnings are about the file's style and would stand among our own lines, where its errors are told as well.
    logSeverityLevel: 4,
  };
  const { InferenceSession: Sessions } = onnxRuntime();
  return attempt(name, "does not load in ONNX Runtime", () =>
    typeof source === "string" ? Sessions.create(source, options) : Sessions.create(source, options),
  );
}

/** Runs `session` once; errors as of `openRuntime`. */
export async function runSession(
  session: InferenceSession,
  feeds: InferenceSession.FeedsType,
  name: string,
): Promise<InferenceSession.ReturnType> {
  return attempt(name, "does not run in ONNX Runtime", () => session.run(feeds));
}

/**
 * Loads an ONNX file, by its path or its bytes; `name` is its name in messages. Throws `UserError`: "engine-missing"
 * without ONNX Runtime; "bad-file", with the runtime's reason, where the file does not load, has not exactly one input,
 * or fails to run.
 */
export async function openRuntime(
  source: string | Uint8Array,
  name: string,
  { threads = 1, channelsLast = false }: RuntimeOptions = {},
): Promise<RuntimeSession> {
  const session = await loadSession(source, name, { threads });
  const [input] = session.inputMetadata;
  if (input === undefined || !input.isTensor || session.inputMetadata.length > 1) {
    await session.release();
    throw new UserError("bad-file", "is not a network of one input", {
      about: name,
      expected: "one tensor",
      received: session.inputNames.join(", ") || "none",
      hint: "Give a network that takes images alone",
    });
  }
  return {
    input: { name: input.name, shape: input.shape },
    outputs: session.outputNames,
    async run(images) {
      const { shape, data } = channelsLast ? withChannelsLast(images) : images;
      // The runtime does not take shared memory, in which batches lie.
      const values = data.buffer instanceof SharedArrayBuffer ? new Float32Array(data) : data;
      const feeds = { [input.name]: new (onnxRuntime().Tensor)("float32", values, shape) };
      const results = await runSession(session, feeds, name);
      return new Map(session.outputNames.map((output) => [output, floatsOf(results[output], output, name)]));
    },
    dispose: () => session.release(),
  };
}

/** [N,C,H,W] as [N,H,W,C]. */
function withChannelsLast({ shape, data }: Tensor): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = shape;
  const pixels = height * width;
  const turned = tensor([batch, height, width, channels]);
  for (let image = 0; image < batch; image++) {
    for (let channel = 0; channel < channels; channel++) {
      const from = (image * channels + channel) * pixels;
      const to = image * pixels * channels + channel;
      for (let pixel = 0; pixel < pixels; pixel++) turned.data[to + pixel * channels] = data[from + pixel] ?? 0;
    }
  }
  return turned;
}

function floatsOf(value: InferenceSession.OnnxValueMapType[string] | undefined, output: string, file: string): Tensor {
  const found = required(value, `output "${output}" of ${file}`);
  if (!(found.data instanceof Float32Array)) {
    throw new UserError("unsupported", "is not of 32-bit floats", {
      about: `output "${output}" of ${file}`,
      expected: "float32",
      received: found.type,
      hint: "Export the network with outputs of 32-bit floats",
    });
  }
  return tensor([...found.dims], found.data);
}

async function attempt<T>(name: string, what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw new UserError("bad-file", `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      about: name,
      hint: "Check that the file is whole and that this version of ONNX Runtime runs it",
      cause,
    });
  }
}
