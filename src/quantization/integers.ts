/** Floats as scales and integers. All scales are 32-bit floats, as files store them. */
import type { Tensor } from "../core/tensor.ts";
import type { QuantizedActivation, QuantizedParameter } from "../formats/onnx/quantization.ts";
import { integerScale, weightScale } from "../graph/integer-scale.ts";
import type { Range } from "./ranges.ts";

/** Biases stay this far below 2³¹, so that the sum of products that is added to them has room. */
const largestBias = 2 ** 30;
/** Unsigned 8-bit integers that cover `range`, which contains 0. Zero is exact: padding is made of it. */
export function quantizeValues([minimum, maximum]: Range): QuantizedActivation {
  return integerScale(minimum, maximum);
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
    // A bias has the product of both scales. Beside tiny weights a large one would not fit into 32 bits.
    const forBias = Math.abs(bias?.data[row] ?? 0) / (sourceScale * largestBias);
    const scale = Math.max(weightScale(values, largest), Math.fround(forBias));
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
