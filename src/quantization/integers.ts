/** Floats as scales and integers. All scales are 32-bit floats, as files store them. */
import type { Tensor } from "../core/tensor.ts";
import type { QuantizedActivation, QuantizedParameter } from "../formats/onnx/quantization.ts";
import type { Range } from "./ranges.ts";

/** Steps between the integers 0 and 255. */
const steps = 255;
/** Biases stay this far below 2³¹, so that the sum of products that is added to them has room. */
const largestBias = 2 ** 30;
/** Smaller scales would not be normal floats once they are multiplied with each other. */
const smallestScale = 2 ** -60;

/** Unsigned 8-bit integers that cover `range`, which contains 0. Zero is exact: padding is made of it. */
export function quantizeValues([minimum, maximum]: Range): QuantizedActivation {
  const width = Math.max(0, maximum) - Math.min(0, minimum);
  if (width === 0) return { scale: 1, zeroPoint: 0 };
  const scale = Math.fround(Math.max(width / steps, smallestScale));
  return { scale, zeroPoint: Math.min(steps, Math.max(0, Math.round(-Math.min(0, minimum) / scale))) };
}

export interface WeightOptions {
  readonly bias: Tensor | undefined;
  /** The scale of the values that the layer reads. */
  readonly sourceScale: number;
  /** The largest weight as an integer. */
  readonly largest: number;
}

/** Signed 8-bit integers with a scale for each output channel (axis 0), symmetric around 0. */
export function quantizeWeights(
  { shape, data }: Tensor,
  { bias, sourceScale, largest }: WeightOptions,
): QuantizedParameter {
  const [rows = 1] = shape;
  const rowLength = data.length / rows;
  const scales = new Float32Array(rows);
  const integers = new Int8Array(data.length);
  for (let row = 0; row < rows; row++) {
    const values = data.subarray(row * rowLength, (row + 1) * rowLength);
    let extreme = 0;
    for (const value of values) extreme = Math.max(extreme, Math.abs(value));
    // A bias has the product of both scales. Beside tiny weights a large one would not fit into 32 bits.
    const forBias = Math.abs(bias?.data[row] ?? 0) / (sourceScale * largestBias);
    const scale = Math.fround(Math.max(extreme / largest, forBias, smallestScale));
    scales[row] = scale;
    for (const [index, value] of values.entries()) {
      integers[row * rowLength + index] = Math.max(-largest, Math.min(largest, Math.round(value / scale)));
    }
  }
  return { scales, integers };
}

/** Signed 32-bit integers with the scales of the products that they are added to. */
export function quantizeBias({ data }: Tensor, weightScales: Float32Array, sourceScale: number): QuantizedParameter {
  const scales = weightScales.map((scale) => scale * sourceScale);
  return { scales, integers: Int32Array.from(data, (value, row) => Math.round(value / (scales[row] ?? 1))) };
}
