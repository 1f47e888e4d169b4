/**
 * Convolutions of tiny images as matrix products: one for each output pixel and each tap of the kernel that is inside
 * the image there. On 2 × 2 pixels, only 16 of the 36 positions of a 3 × 3 kernel are inside. The library's
 * convolutions spend time on the others, and on summing the weights' gradients of all threads. In channels-last, every
 * pixel of a batch and every tap is a matrix in memory. A kernel of one tap is one product of all pixels.
 */
import type { Shape } from "../../../core/tensor.ts";
import { withAttributes } from "../ffi/attributes.ts";
import { argument } from "../ffi/constants.ts";
import type { OneDnn } from "../ffi/library.ts";
import { bytesOf, type DataType, describeMemory, describeStrided, type MemoryDescriptor } from "../ffi/memory.ts";
import type { ConvolutionMemory } from "../ffi/operations.ts";
import { matrixProduct } from "../ffi/operations.ts";
import { implementations, type PrimitiveDescriptor } from "../ffi/primitive.ts";
import type { Part } from "../planner/candidate.ts";
import type { Program } from "../planner/program.ts";
import type { Convolution, Formulation } from "./formulation.ts";

/** With more products, the calls and the small matrices take more time than the omitted taps save. */
const MOST_PRODUCTS = 128;
/** With fewer channels, the matrices are too thin. */
const FEWEST_CHANNELS = 64;

/** An output pixel, a tap, and the input pixel that they need, as row-major indices. */
interface Meeting {
  readonly output: number;
  readonly tap: number;
  readonly input: number;
}

/**
 * Whether the pixels of an image are contiguous, or the values of all images at a pixel. The latter is a matrix without
 * gaps, which AMX kernels require.
 */
type Outermost = "images" | "pixels";

interface Extents {
  readonly batch: number;
  readonly inputs: number;
  readonly outputs: number;
  /** Number of pixels of the image and of the result. */
  readonly pixels: number;
  readonly outputPixels: number;
}

/** Formulations of `call` on images of `srcShape` as matrix products; none if they could not be faster. */
export function smallImageMatmul(
  program: Program,
  call: Convolution,
  srcShape: Shape = program.shape(call.src),
): readonly Formulation[] {
  const { direction, attributes, bias, weights } = call;
  const [batch = 0, inputs = 0, ...image] = srcShape;
  const [, outputs = 0, ...result] = program.shape(call.dst);
  if (bias !== undefined || attributes.groups > 1 || Math.min(inputs, outputs) < FEWEST_CHANNELS) return [];
  const size = (extents: readonly number[]) => extents.reduce((product, extent) => product * extent, 1);
  const isOne = isOneProduct(call, program.shape(weights));
  const meetings = isOne
    ? [{ output: 0, tap: 0, input: 0 }]
    : meetingsOf(call, image, result, program.shape(weights).slice(2));
  if (meetings.length > MOST_PRODUCTS || meetings.length === 0) return [];
  const extents = isOne
    ? { batch: batch * size(image), inputs, outputs, pixels: 1, outputPixels: 1 }
    : { batch, inputs, outputs, pixels: size(image), outputPixels: size(result) };
  const { library, precision } = program;
  // Partial sums and gradients of weights are f32.
  const isSum = (role: Role): boolean => role === resultOf[direction] && (!isOne || role === "weights");
  const typeOf = (role: Role): DataType => (isSum(role) ? "f32" : precision);
  // Backward data needs the transposed matrix: as a view if the library has that, or else through a reorder.
  const orders =
    direction === "backward data" ? (["inputs last", "outputs last"] as const) : (["outputs last"] as const);
  const ways = isOne || precision === "f32" ? (["images"] as const) : (["images", "pixels"] as const);
  return ways
    .flatMap((outermost) => orders.map((order) => [outermost, order] as const))
    .flatMap(([outermost, order]) => {
      const place = { outermost, order };
      const image = (shape: Shape, role: Role): MemoryDescriptor => imagesOf(library, shape, typeOf(role), outermost);
      const memory: ConvolutionMemory = {
        src: image(srcShape, "src"),
        weights: tapsFirst(library, program.shape(weights), typeOf("weights"), order),
        bias: undefined,
        dst: image(program.shape(call.dst), "dst"),
      };
      const parts = new Products(library, memory, place, extents).of(direction, meetings);
      const count = isOne ? "one matrix product" : `${meetings.length} matrix products`;
      const name = [count, ...(outermost === "pixels" ? ["pixels first"] : []), order].join(", ");
      // Gradients of weights are sums over pixels. A matrix product sums them in its innermost loop, a convolution's
      // kernel row by row.
      const isLikely = isOne && direction === "backward weights";
      return parts === undefined ? [] : [{ name, memory, parts, isLikely }];
    });
}

/** Channels-last images: image by image, or pixel by pixel over all images. */
function imagesOf(library: OneDnn, shape: Shape, type: DataType, outermost: Outermost): MemoryDescriptor {
  const whole = describeMemory(library, shape, "nhwc", type);
  if (outermost === "images") return whole;
  const [batch = 1, channels = 1, , width = 1] = shape;
  const pixel = batch * channels;
  return describeStrided(library, whole, shape, [channels, 1, width * pixel, pixel]);
}

/** A 1 × 1 kernel that reads every pixel once: in channels-last, all pixels of a batch are the rows of one matrix. */
function isOneProduct({ attributes }: Convolution, [, , height, width]: Shape): boolean {
  const { strides, padding } = attributes;
  return (
    [height, width, ...strides].every((extent) => extent === 1) && Object.values(padding).every((pad) => pad === 0)
  );
}

type Role = "src" | "weights" | "dst";

/** Which channels of a tap's matrix are contiguous in memory. */
type Order = "inputs last" | "outputs last";

/** The result of each direction. Its partial sums are f32 and are rounded once. */
const resultOf = { forward: "dst", "backward data": "src", "backward weights": "weights" } as const;

function meetingsOf(
  { attributes }: Convolution,
  [height = 1, width = 1]: Shape,
  [rows = 1, columns = 1]: Shape,
  [kernelHeight = 1, kernelWidth = 1]: Shape,
): readonly Meeting[] {
  const { strides, padding, dilation } = attributes;
  // There are far more outputs than allowed products, so do not list them.
  if (rows * columns > MOST_PRODUCTS) return [];
  const meetings: Meeting[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      for (let tap = 0; tap < kernelHeight * kernelWidth; tap++) {
        const y = row * strides[0] - padding.top + Math.floor(tap / kernelWidth) * dilation[0];
        const x = column * strides[1] - padding.left + (tap % kernelWidth) * dilation[1];
        if (y < 0 || y >= height || x < 0 || x >= width) continue;
        meetings.push({ output: row * columns + column, tap, input: y * width + x });
      }
    }
  }
  return meetings;
}

/** Weights [out, in, height, width] with the taps outermost, so that each tap is a matrix. */
function tapsFirst(library: OneDnn, shape: Shape, type: DataType, order: Order): MemoryDescriptor {
  const [outputs = 1, inputs = 1, , width = 1] = shape;
  const matrix = outputs * inputs;
  const plain = describeMemory(library, shape, "plain", type);
  return describeStrided(library, plain, shape, [...matrixStrides(outputs, inputs, order), width * matrix, matrix]);
}

function matrixStrides(outputs: number, inputs: number, order: Order): readonly [output: number, input: number] {
  return order === "outputs last" ? [1, outputs] : [inputs, 1];
}

/** A matrix inside an operand. Strides are in elements. */
interface MatrixPlace {
  readonly role: Role;
  readonly rows: number;
  readonly columns: number;
  readonly strides: readonly [row: number, column: number];
  readonly start: number;
}

interface Place {
  readonly outermost: Outermost;
  readonly order: Order;
}

class Products {
  readonly #library: OneDnn;
  readonly #memory: ConvolutionMemory;
  readonly #place: Place;
  readonly #extents: Extents;
  readonly #primitives = new Map<string, PrimitiveDescriptor | undefined>();

  constructor(library: OneDnn, memory: ConvolutionMemory, place: Place, extents: Extents) {
    this.#library = library;
    this.#place = place;
    this.#memory = memory;
    this.#extents = extents;
  }

  /** The products of a direction; undefined if the library lacks one of them, or has it only as plain loops. */
  of(direction: Convolution["direction"], meetings: readonly Meeting[]): readonly Part[] | undefined {
    const begun = new Set<number>();
    const parts = meetings.flatMap((meeting) => {
      const [left, right, result] = this.#matrices(direction, meeting);
      const part = this.#product(left, right, result, begun.has(result.start));
      begun.add(result.start);
      return part ?? [];
    });
    // A tap or pixel without any product would keep its old result.
    const results = { forward: "outputPixels", "backward data": "pixels", "backward weights": "taps" } as const;
    const wanted = results[direction];
    const isComplete = begun.size === (wanted === "taps" ? this.#taps : this.#extents[wanted]);
    if (parts.length === meetings.length && isComplete) return parts;
    for (const primitive of this.#primitives.values()) primitive?.destroy();
    return undefined;
  }

  get #taps(): number {
    const [, , height = 1, width = 1] = this.#memory.weights.shape;
    return height * width;
  }

  #matrices(
    direction: Convolution["direction"],
    { output, tap, input }: Meeting,
  ): readonly [MatrixPlace, MatrixPlace, MatrixPlace] {
    const { batch, inputs, outputs, pixels, outputPixels } = this.#extents;
    const { outermost, order } = this.#place;
    const ofPixel = (pixel: number, all: number, columns: number) => ({
      rows: batch,
      columns,
      strides: [outermost === "pixels" ? columns : all * columns, 1] as const,
      start: pixel * columns * (outermost === "pixels" ? batch : 1),
    });
    const src: MatrixPlace = { role: "src", ...ofPixel(input, pixels, inputs) };
    const dst: MatrixPlace = { role: "dst", ...ofPixel(output, outputPixels, outputs) };
    const [atOutput, atInput] = matrixStrides(outputs, inputs, order);
    const weights: MatrixPlace = {
      role: "weights",
      rows: inputs,
      columns: outputs,
      strides: [atInput, atOutput],
      start: tap * inputs * outputs,
    };
    switch (direction) {
      case "forward":
        return [src, weights, dst];
      case "backward data":
        return [dst, transposed(weights), src];
      case "backward weights":
        return [transposed(src), dst, weights];
    }
  }

  #product(left: MatrixPlace, right: MatrixPlace, result: MatrixPlace, accumulates: boolean): Part | undefined {
    const [leftMatrix, rightMatrix, resultMatrix] = [left, right, result].map((place) => this.#descriptor(place)) as [
      MemoryDescriptor,
      MemoryDescriptor,
      MemoryDescriptor,
    ];
    const key = `${accumulates}`;
    if (!this.#primitives.has(key)) {
      const operation = matrixProduct(leftMatrix, rightMatrix, resultMatrix);
      const postOps = accumulates ? [{ kind: "accumulate", factor: 1 } as const] : [];
      const primitive = withAttributes(this.#library, { postOps }, (attributes) => {
        const [first] = implementations(this.#library, operation, undefined, attributes);
        return first;
      });
      this.#primitives.set(key, primitive);
    }
    const primitive = this.#primitives.get(key);
    if (primitive === undefined || primitive.implementation.startsWith("ref")) return undefined;
    const at = (index: number, place: MatrixPlace, descriptor: MemoryDescriptor) => ({
      index,
      role: place.role,
      piece: { descriptor, offset: place.start * bytesOf(descriptor.type) },
    });
    return {
      primitive,
      arguments: [
        at(argument.src, left, leftMatrix),
        at(argument.weights, right, rightMatrix),
        at(argument.dst, result, resultMatrix),
      ],
    };
  }

  #descriptor({ role, rows, columns, strides }: MatrixPlace): MemoryDescriptor {
    return describeStrided(this.#library, this.#memory[role], [rows, columns], strides);
  }
}

function transposed({ rows, columns, strides: [row, column], ...place }: MatrixPlace): MatrixPlace {
  return { ...place, rows: columns, columns: rows, strides: [column, row] };
}
