/**
 * Whitening of image patches: filters whose answers to patches of training images are uncorrelated and equally strong.
 * Neighbouring pixels are alike, so a network that starts from raw pixels first has to learn to tell them apart. The
 * filters are the eigenvectors v of the patches' second moments, E[p·pᵀ] for patches p, each divided by
 * √(eigenvalue + ε); then the same with the opposite sign, because the activation behind them lets one sign pass
 * (Jordan, "94 % on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv 2404.00498, section 3.2).
 */
import { eigenpairs } from "../core/eigen.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Pair } from "../graph/attributes.ts";

/** Channels, height and width of a patch, and the distance of its pixels. */
export interface PatchShape {
  readonly channels: number;
  readonly kernel: Pair;
  readonly dilation: Pair;
}

/** Collects the second moments of the patches of images. */
export class PatchMoments {
  /** The number of values in a patch. */
  readonly size: number;
  readonly #shape: PatchShape;
  readonly #sums: Float64Array;
  #count = 0;

  constructor(shape: PatchShape) {
    this.#shape = shape;
    this.size = shape.channels * shape.kernel[0] * shape.kernel[1];
    this.#sums = new Float64Array(this.size * this.size);
  }

  /** The number of patches so far. */
  get count(): number {
    return this.#count;
  }

  /** Adds all patches that lie inside the first `count` images of [N,C,H,W]. */
  add({ shape, data }: Tensor, count: number): void {
    const [, channels = 0, height = 0, width = 0] = shape;
    const { kernel, dilation } = this.#shape;
    const offsets = offsetsIn(this.#shape, height, width);
    const [rows, columns] = [height - dilation[0] * (kernel[0] - 1), width - dilation[1] * (kernel[1] - 1)];
    for (let image = 0; image < count; image++) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          this.#addPatch(data, image * channels * height * width + row * width + column, offsets);
        }
      }
    }
  }

  /** E[p·pᵀ], row-major. */
  moments(): Float64Array {
    const { size } = this;
    return Float64Array.from({ length: size * size }, (_, index) => {
      const [row, column] = [Math.floor(index / size), index % size];
      return (this.#sums[Math.min(row, column) * size + Math.max(row, column)] ?? 0) / Math.max(1, this.#count);
    });
  }

  /** The moments are symmetric, so only those above the diagonal are summed. */
  #addPatch(data: Float32Array, start: number, offsets: Int32Array): void {
    const { size } = this;
    const sums = this.#sums;
    for (let row = 0; row < size; row++) {
      const value = data[start + (offsets[row] ?? 0)] ?? 0;
      for (let column = row; column < size; column++) {
        const at = row * size + column;
        sums[at] = (sums[at] ?? 0) + value * (data[start + (offsets[column] ?? 0)] ?? 0);
      }
    }
    this.#count++;
  }
}

/** Where the values of a patch lie, relative to its first: channel by channel, row by row, as in weights. */
function offsetsIn({ channels, kernel, dilation }: PatchShape, height: number, width: number): Int32Array {
  const [rows, columns] = kernel;
  return Int32Array.from({ length: channels * rows * columns }, (_, index) => {
    const channel = Math.floor(index / (rows * columns));
    const [row, column] = [Math.floor(index / columns) % rows, index % columns];
    return channel * height * width + row * dilation[0] * width + column * dilation[1];
  });
}

/**
 * The weights of `outputs` filters, one row each: those of the largest eigenvalues first, then their negatives. There
 * are 2·size of them; fewer `outputs` take the first.
 */
export function whiteningFilters(
  moments: Float64Array,
  size: number,
  { outputs, epsilon }: { readonly outputs: number; readonly epsilon: number },
): Float32Array {
  const pairs = eigenpairs({ size, values: moments });
  return Float32Array.from({ length: outputs * size }, (_, index) => {
    const filter = Math.floor(index / size);
    const { value, vector } = pairs[filter % size] ?? { value: 0, vector: new Float64Array(size) };
    const sign = filter < size ? 1 : -1;
    // Rounding may make an eigenvalue of zero negative.
    return (sign * (vector[index % size] ?? 0)) / Math.sqrt(Math.max(0, value) + epsilon);
  });
}
