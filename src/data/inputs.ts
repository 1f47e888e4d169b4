/**
 * Values of each image besides its pixels, for networks with more inputs than the images: the age and weight of a
 * patient beside an X-ray, for example. They are rows of numbers, by the name of the input that gets them.
 */
import { required } from "../core/errors.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import type { Input } from "../graph/graph.ts";
import { bindBatch } from "../graph/shapes.ts";

/** The values that an input gets for the images of a split. */
export interface InputValues {
  /** Numbers of an image. */
  readonly width: number;
  /** Those of all images, one image after the other, over a `SharedArrayBuffer`. */
  readonly values: Float32Array;
}

/** By the name of the input. */
export type SplitInputs = Readonly<Record<string, InputValues>>;

/** The values for a batch, [batch, width], by the name of the input. */
export type BatchInputs = Readonly<Record<string, Tensor>>;

/** Memory for the values of a batch, by the name of the input. */
export type InputMemory = Readonly<Record<string, Float32Array>>;

function mapped<From, To>(inputs: Readonly<Record<string, From>>, change: (from: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(inputs).map(([name, from]) => [name, change(from)] as const));
}

/** Zeros in shared memory for `count` images. */
export function allocateInputs(inputs: SplitInputs, count: number): InputMemory {
  return mapped(inputs, ({ width }) => sharedFloats(count * width));
}

function sharedFloats(count: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(count * Float32Array.BYTES_PER_ELEMENT));
}

/** The values of the images from `first` (inclusive) to `end`, over the same memory. */
export function inputsBetween(inputs: SplitInputs, first: number, end: number): SplitInputs {
  return mapped(inputs, ({ width, values }) => ({ width, values: values.subarray(first * width, end * width) }));
}

/** A copy of the values of the images at `places`, in the order of `places`. */
export function inputsAt(inputs: SplitInputs, places: readonly number[]): SplitInputs {
  return mapped(inputs, (of) => ({ width: of.width, values: rowsAt(of, places, places.length) }));
}

/** The values of the images at `places` as a batch of `batch`; zeros behind them. */
export function batchInputs(inputs: SplitInputs, places: readonly number[], batch: number): BatchInputs {
  return mapped(inputs, (of) => tensor([batch, of.width], rowsAt(of, places, batch)));
}

function rowsAt({ width, values }: InputValues, places: readonly number[], rows: number): Float32Array {
  const found = sharedFloats(rows * width);
  for (const [row, place] of places.entries()) {
    found.set(values.subarray(place * width, (place + 1) * width), row * width);
  }
  return found;
}

/** Writes the values of image `image` to row `row` of `memory`. */
export function writeInputs(inputs: SplitInputs, image: number, memory: InputMemory, row: number): void {
  for (const [name, { width, values }] of Object.entries(inputs)) {
    memory[name]?.set(values.subarray(image * width, (image + 1) * width), row * width);
  }
}

/** `memory`, which has the values of `count` images, as a batch. */
export function inputTensors(memory: InputMemory, count: number): BatchInputs {
  return mapped(memory, (values) => tensor([count, values.length / count], values));
}

/**
 * Mixes the rows of `memory` in place as the images of the batch are mixed: row i takes the fraction `shares[i]` from
 * its partner, the row as far from the end.
 */
export function mixInputs(memory: InputMemory, shares: Float64Array): void {
  for (const values of Object.values(memory)) {
    const plain = values.slice();
    const width = values.length / shares.length;
    for (const [row, share] of shares.entries()) {
      const partner = shares.length - 1 - row;
      for (let column = 0; column < width; column++) {
        const [own, other] = [plain[row * width + column] ?? 0, plain[partner * width + column] ?? 0];
        values[row * width + column] = (1 - share) * own + share * other;
      }
    }
  }
}

/**
 * The feeds of a network that takes `inputs`, of which the first one is the images: `images` [N,C,H,W], and for the
 * others the values `given` by name, in the shapes of the inputs.
 */
export function feedsOf(
  inputs: readonly Input[],
  images: Tensor,
  given: BatchInputs = {},
): Readonly<Record<string, Tensor>> {
  const [batch = 0] = images.shape;
  return Object.fromEntries(
    inputs.map(({ name, shape }, index) => {
      if (index === 0) return [name, images];
      const values = required(Object.hasOwn(given, name) ? given[name] : undefined, `values of input "${name}"`);
      return [name, tensor(bindBatch(shape, batch), values.data)];
    }),
  );
}
