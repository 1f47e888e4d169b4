/** `espalier/onnx`: reads and writes networks as ONNX files and weights as safetensors files. */
export { loadOnnx, saveOnnx } from "../formats/onnx/index.ts";
export { readOnnx } from "../formats/onnx/read.ts";
export type { WriteOptions } from "../formats/onnx/write.ts";
export { writeOnnx } from "../formats/onnx/write.ts";
export { loadSafetensors, saveSafetensors } from "../formats/safetensors.ts";
export { stateDictOf, weightsFromStateDict } from "../formats/state-dict.ts";
