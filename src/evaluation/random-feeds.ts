/**
 * Random values for the inputs of any ONNX file, to measure its latency: the outputs do not matter.
 */
import type { InferenceSession, Tensor as RuntimeTensor } from "onnxruntime-node";
import { UserError } from "../core/errors.ts";
import { RandomStream } from "../core/random.ts";
import { elementCount, type Shape } from "../core/tensor.ts";
import { onnxRuntime } from "./runtime-library.ts";

export interface FeedOptions {
  /** Size of the first axis, if the file does not fix it. */
  readonly batch: number;
  /** Height and width, if the file does not fix them. */
  readonly size?: readonly [number, number];
}

/** Whether no input of `session` fixes its first axis, the batch. */
export function hasFreeBatch({ inputMetadata }: InferenceSession): boolean {
  return inputMetadata.every((input) => input.isTensor && typeof input.shape[0] !== "number");
}

/**
 * Feeds for `session` of the file `name`: normally distributed floats; zeros for other types. Throws
 * `UserError("unsupported")` for an axis without a fixed size that is not batch, height or width, and for inputs that
 * are not tensors of numbers.
 */
export function randomFeeds(session: InferenceSession, name: string, options: FeedOptions): InferenceSession.FeedsType {
  const random = new RandomStream(0, "latency");
  const feeds: Record<string, RuntimeTensor> = {};
  for (const input of session.inputMetadata) {
    const about = `input "${input.name}" of ${name}`;
    if (!input.isTensor) {
      throw new UserError("unsupported", "is not a tensor", { about, hint: "Use a network whose inputs are tensors" });
    }
    const shape = input.shape.map((size, axis) => (typeof size === "number" ? size : openAxis(axis, options, about)));
    feeds[input.name] = valuesOf(input.type, shape, random, about);
  }
  return feeds;
}

function openAxis(axis: number, { batch, size }: FeedOptions, about: string): number {
  if (axis === 0) return batch;
  const given = axis === 2 ? size?.[0] : axis === 3 ? size?.[1] : undefined;
  if (given !== undefined) return given;
  throw new UserError("unsupported", `axis ${axis} of the input has no fixed size`, {
    about,
    hint: axis === 2 || axis === 3 ? "Give the size of the images: --size 224" : "Fix the size when exporting the file",
  });
}

function valuesOf(type: RuntimeTensor.Type, shape: Shape, random: RandomStream, about: string): RuntimeTensor {
  const count = elementCount(shape);
  const { Tensor } = onnxRuntime();
  switch (type) {
    case "float32":
      return new Tensor(
        type,
        Float32Array.from({ length: count }, () => random.normal()),
        shape,
      );
    case "float64":
      return new Tensor(
        type,
        Float64Array.from({ length: count }, () => random.normal()),
        shape,
      );
    case "float16":
    case "uint16":
      return new Tensor(type, new Uint16Array(count), shape);
    case "uint8":
    case "bool":
      return new Tensor(type, new Uint8Array(count), shape);
    case "int8":
      return new Tensor(type, new Int8Array(count), shape);
    case "int32":
      return new Tensor(type, new Int32Array(count), shape);
    case "int64":
      return new Tensor(type, new BigInt64Array(count), shape);
    default:
      throw new UserError("unsupported", "takes values of an unsupported type", {
        about,
        received: type,
        hint: "Export the network with inputs of floats or integers",
      });
  }
}
