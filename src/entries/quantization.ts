/**
 * `espalier/quantization`: 8-bit integers for a trained network, without training, and the comparison of both files.
 */
export type { Quantization, QuantizedActivation, QuantizedParameter } from "../formats/onnx/quantization.ts";
export type { ComparedFile, CompareOptions, QuantizedComparison } from "../quantization/compare.ts";
export { compareQuantized } from "../quantization/compare.ts";
export type {
  CandidateScore,
  KeptLayer,
  Quantized,
  QuantizeOptions,
  QuantizeProgress,
} from "../quantization/quantize.ts";
export { quantize } from "../quantization/quantize.ts";
export type { RangeMethod } from "../quantization/ranges.ts";
