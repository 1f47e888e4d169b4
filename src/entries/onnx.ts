/** `espalier/onnx`: networks in ONNX files and weights in safetensors files, in and out. */
export { loadOnnx, saveOnnx } from "../formats/onnx/index.ts";
export { readOnnx } from "../formats/onnx/read.ts";
export type { WriteOptions } from "../formats/onnx/write.ts";
export { writeOnnx } from "../formats/onnx/write.ts";
export { loadSafetensors, saveSafetensors } from "../formats/safetensors.ts";
export { stateDictOf, weightsFromStateDict } from "../formats/state-dict.ts";
