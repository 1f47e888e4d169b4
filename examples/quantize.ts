// Brings the network of an ONNX file to 8-bit integers, without training it. Ranges are observed on training images.
// The new file is compared with the old one on all test images. ONNX Runtime must be installed.
import { loadOnnx, openDataset, saveOnnx } from "espalier";
import { EngineHost } from "espalier/engine";
import { compareQuantized, quantize } from "espalier/quantization";

const [file = "model.onnx", photos = "./photos"] = process.argv.slice(2);
const network = await loadOnnx(file);
const [, channels, height, width] = (network.graph.inputs[0]?.shape ?? []).map(Number);
const dataset = await openDataset(photos, { input: [channels ?? 3, height ?? 224, width ?? 224] });

const host = await EngineHost.start({ engine: "onednn" });
const { quantization, method, ...quantized } = await quantize(network, { host, dataset });
await host.dispose();
await saveOnnx(quantized.network, "int8.onnx", { quantization });

const { original, quantized: small } = await compareQuantized(file, "int8.onnx", { graph: network.graph, dataset });
console.log(`${method}: ${original.bytes} → ${small.bytes} bytes, ${original.accuracy} → ${small.accuracy} % accurate`);
