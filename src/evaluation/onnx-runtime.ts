/** ONNX Runtime, which checks exported files and measures their latency. */
import type { InferenceSession, Tensor as RuntimeTensor } from "onnxruntime-node";
import { required, UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { type Shape, type Tensor, tensor } from "../core/tensor.ts";
import { requireThreads } from "../core/threads.ts";
import type { BatchInputs } from "../data/inputs.ts";
import { onnxRuntime } from "./runtime-library.ts";

export interface RuntimeOptions {
  /** Number of threads; default 1. */
  readonly threads?: number;
  /** Whether the file takes images as [N,H,W,C]; `run` takes [N,C,H,W] in either case. */
  readonly channelsLast?: boolean;
  /** Whether a classifier gives all outputs in rows; default: its first output, as it is. */
  readonly inRows?: boolean;
}

export interface LoadOptions extends RuntimeOptions {
  /** Whether the runtime optimizes the graph; default true. */
  readonly optimized?: boolean;
  /** Prefix of the path of the profile that the session writes. Default: no profile. */
  readonly profile?: string;
  /** Where the session writes the graph as it optimized it. Default: nowhere. */
  readonly optimizedFile?: string;
}

export interface RuntimeInput {
  readonly name: string;
  readonly shape: readonly (number | string)[];
  /** Its element type, as ONNX Runtime names it. */
  readonly type: RuntimeTensor.Type;
}

/** A file loaded by ONNX Runtime. Runs block the calling thread. */
export interface RuntimeSession {
  /** The file's first input: its name and shape, symbolic dimensions by name. */
  readonly input: RuntimeInput;
  readonly outputs: readonly string[];
  /**
   * Values of all outputs for one batch of images, [N,C,H,W]. `inputs`: values for the inputs besides the images.
   * Throws `UserError("bad-file")` unless the file takes exactly these.
   */
  run(images: Tensor, inputs?: BatchInputs): Promise<ReadonlyMap<string, Tensor>>;
  dispose(): Promise<void>;
}

/** Loads an ONNX file into a session of ONNX Runtime. Throws the errors of `openRuntime`. */
export async function loadSession(
  source: string | Uint8Array,
  name: string,
  { threads = 1, optimized = true, profile, optimizedFile }: LoadOptions = {},
): Promise<InferenceSession> {
  requireThreads(threads);
  const options: InferenceSession.SessionOptions = {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: optimized ? "all" : "disabled",
    ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
    ...optional({ optimizedModelFilePath: optimizedFile }),
    // Only fatal messages: warnings would mix with the terminal's output, and errors are thrown anyway.
    logSeverityLevel: 4,
  };
  const { InferenceSession: Sessions } = onnxRuntime();
  return attempt(name, "does not load in ONNX Runtime", () =>
    typeof source === "string" ? Sessions.create(source, options) : Sessions.create(source, options),
  );
}

/** Runs `session` once. Throws the errors of `openRuntime`. */
export async function runSession(
  session: InferenceSession,
  feeds: InferenceSession.FeedsType,
  name: string,
): Promise<InferenceSession.ReturnType> {
  return attempt(name, "does not run in ONNX Runtime", () => session.run(feeds));
}

/**
 * Loads an ONNX file from its path or its bytes; messages call it `name`. Throws `UserError`: "engine-missing" without
 * ONNX Runtime; "bad-file", with the runtime's reason, if the file does not load, has no input of a tensor, or
 * fails to run.
 */
export async function openRuntime(
  source: string | Uint8Array,
  name: string,
  { threads = 1, channelsLast = false }: RuntimeOptions = {},
): Promise<RuntimeSession> {
  const session = await loadSession(source, name, { threads });
  const found = session.inputMetadata.flatMap((one) =>
    one.isTensor ? [{ name: one.name, shape: one.shape, type: one.type }] : [],
  );
  const [input] = found;
  if (input === undefined || found.length < session.inputMetadata.length) {
    await session.release();
    throw new UserError("bad-file", "does not take tensors", {
      about: name,
      expected: "images and values beside them",
      received: session.inputNames.join(", ") || "none",
      hint: "Use a network that takes images",
    });
  }
  return {
    input,
    outputs: session.outputNames,
    async run(images, inputs = {}) {
      const others = found.filter((one) => Object.hasOwn(inputs, one.name));
      const [taker, ...unfed] = found.filter((one) => !others.includes(one));
      if (taker === undefined || unfed.length > 0) throw withoutValues(name, found, Object.keys(inputs));
      const [batch = 0] = images.shape;
      const feeds = Object.fromEntries([
        [taker.name, runtimeTensor(channelsLast ? withChannelsLast(images) : images)],
        ...others.map(({ name: other, shape, type }) => {
          const data = inputs[other]?.data ?? new Float32Array();
          return [other, runtimeTensor(tensor(shapeFor(shape, batch, data.length), data), type)] as const;
        }),
      ]);
      const results = await runSession(session, feeds, name);
      return new Map(session.outputNames.map((output) => [output, floatsOf(results[output], output, name)]));
    },
    dispose: () => session.release(),
  };
}

function withoutValues(name: string, inputs: readonly RuntimeInput[], given: readonly string[]): UserError {
  return new UserError("bad-file", "has other inputs than there are values", {
    about: name,
    expected: ["images", ...given].join(", "),
    received: inputs.map((input) => input.name).join(", "),
    hint: "Use a network that takes images alone, or give columns of the data for its other inputs",
  });
}

/** The shape of an input for a batch, whose axes of open size are the batch and at most one more. */
function shapeFor(shape: RuntimeInput["shape"], batch: number, count: number): Shape {
  const rest = shape.slice(1).map((extent) => (typeof extent === "number" && extent > 0 ? extent : undefined));
  const known = rest.reduce<number>((product, extent) => product * (extent ?? 1), batch);
  return shape.length === 0 ? [] : [batch, ...rest.map((extent) => extent ?? count / known)];
}

/** The numbers as ONNX Runtime takes them: floats, or for an input of integers as these. */
function runtimeTensor({ shape, data }: Tensor, type: RuntimeTensor.Type = "float32"): RuntimeTensor {
  const { Tensor: Values } = onnxRuntime();
  if (type === "int64")
    return new Values(
      type,
      BigInt64Array.from(data, (value) => BigInt(Math.round(value))),
      shape,
    );
  if (type === "int32") return new Values(type, Int32Array.from(data, Math.round), shape);
  // Batches are in shared memory, which the runtime does not accept.
  const values = data.buffer instanceof SharedArrayBuffer ? new Float32Array(data) : data;
  return new Values("float32", values, shape);
}

/** Converts [N,C,H,W] to [N,H,W,C]. */
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
    throw new UserError("unsupported", "does not have 32-bit floats", {
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
      hint: "Check that the file is complete and that this version of ONNX Runtime supports it",
      cause,
    });
  }
}
