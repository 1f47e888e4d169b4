/**
 * The quantisation of a network to 8 bits, as plain data. A file written with it has a `QuantizeLinear` and a
 * `DequantizeLinear` node around every quantised value (the QDQ format), which ONNX Runtime fuses into kernels on
 * integers.
 */

/** value = scale · (integer − zeroPoint), with integers from 0 to 255. */
export interface QuantizedActivation {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** A parameter with a scale for each index of axis 0: value = scales[row] · integer. */
export interface QuantizedParameter {
  readonly scales: Float32Array;
  /** In the parameter's row-major order: 8 bits for weights, 32 bits for biases. */
  readonly integers: Int8Array | Int32Array;
}

export interface Quantization {
  /** By the name of a value. */
  readonly activations: ReadonlyMap<string, QuantizedActivation>;
  /** By the name of a parameter. */
  readonly parameters: ReadonlyMap<string, QuantizedParameter>;
  /** Names of the nodes that compute with 32-bit floats. */
  readonly floatNodes: ReadonlySet<string>;
}
